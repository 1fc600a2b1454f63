"""What the catalog says of tables: what depends on them, and what a swap would lose."""
