"""The embedded stack: Apache Kafka, Triton and PostgreSQL themselves, as child processes, and who watches over them."""
