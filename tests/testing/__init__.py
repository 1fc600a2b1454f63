"""Tests of what Mainstem brings for the tests of others."""
