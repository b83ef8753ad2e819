"""Rules of the tools in `make lint` that are this project's own."""
