"""The replicator: every committed event from PostgreSQL into Kafka, once and in commit order."""
