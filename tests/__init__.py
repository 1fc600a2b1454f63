"""Tests on real servers; each room has its folder."""
