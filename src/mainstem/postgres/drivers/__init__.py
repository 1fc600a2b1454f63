"""Adapters that run a planned statement in the caller's transaction, one per driver."""
