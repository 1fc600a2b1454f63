"""Metadata that every event saved inside a block carries along: who, why, and in which trace."""
