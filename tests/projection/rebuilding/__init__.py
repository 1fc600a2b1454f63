"""Tests of rebuilding a projection while it serves."""
