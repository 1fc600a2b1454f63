"""Faults of projections on real servers: what survives them is the fold of the topic."""
