"""Tests of following a topic."""
