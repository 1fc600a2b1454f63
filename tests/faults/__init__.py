"""Faults on real servers: exactly once is shown by what survives them."""
