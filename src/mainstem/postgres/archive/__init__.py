"""Archives: months of a partitioned topic as Parquet files, written, checked, and read again."""
