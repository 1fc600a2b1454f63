"""The command line: one file per command group; parse, assemble, call, print."""
