"""Tests of the public types, by two type checkers."""
