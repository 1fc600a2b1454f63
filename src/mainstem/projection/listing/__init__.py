"""What there is of projections: their states, how far behind they are, what went wrong."""
