"""Comparing the tables of a projection with those of its rebuild, row by row."""

from mainstem.projection.rebuilding.comparison.tables import TableComparison, compare

__all__ = ["TableComparison", "compare"]
