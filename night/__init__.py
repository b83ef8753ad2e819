"""The steps of a night as plain functions: discover, load and gate, build, audit, publish, report."""
