"""The command line: its frame, its errors, its exit codes."""
