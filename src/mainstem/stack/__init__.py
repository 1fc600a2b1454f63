"""PostgreSQL, Kafka and a registry on this machine, for development, tests and the demo."""
