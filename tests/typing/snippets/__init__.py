"""What an application writes, for type checkers; nothing here is ever run."""
