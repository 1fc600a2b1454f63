"""Tests of projections that run: what is applied, in which order, and what is not."""
