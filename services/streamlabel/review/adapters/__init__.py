"""The review service's ways to the world: PostgreSQL, Kafka, gRPC and the web page."""
