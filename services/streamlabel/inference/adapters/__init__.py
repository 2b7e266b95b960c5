"""Inference's hands: Kafka lanes, Triton, tables, pictures."""
