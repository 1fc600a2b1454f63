"""The change stream out of PostgreSQL; it never sees Kafka."""
