"""A shop that keeps its orders in a table, and what happened to them in a topic."""
