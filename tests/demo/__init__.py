"""The demo: its parts one by one, and one whole run."""
