"""The door's edges: gRPC, HTTP, Kafka, Prometheus."""
