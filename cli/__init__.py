"""The `vss` command: a file a verb group."""
