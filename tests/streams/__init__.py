"""Tests of the streams, on real servers."""
