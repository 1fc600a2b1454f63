"""Mainstem inside the frameworks that people have."""
