"""The demo: real orders through PostgreSQL into Kafka, with kills in between and a proof."""
