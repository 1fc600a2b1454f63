"""Concurrency control without table locks: versions, ids of the caller's, and conditions."""
