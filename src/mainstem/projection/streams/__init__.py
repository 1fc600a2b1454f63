"""Stream projections: one row for each stream, folded from its events; inline, async or live."""
