"""Hostile bytes against everything that reads bytes."""
