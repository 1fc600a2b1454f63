"""Mainstem inside frameworks that people have: thin, and loaded only where it is asked for."""
