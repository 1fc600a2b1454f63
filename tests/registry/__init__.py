"""Schema text and schema id: one contract for every backend."""
