"""Tests of the room `replicator`."""
