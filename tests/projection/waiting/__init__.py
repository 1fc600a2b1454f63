"""Waiting for projections: marks, the watch, and the whole way on real servers."""
