"""Tests of archives: months as Parquet files."""
