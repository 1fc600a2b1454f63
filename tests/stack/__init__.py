"""The stack: servers that start, are found again, die and come back."""
