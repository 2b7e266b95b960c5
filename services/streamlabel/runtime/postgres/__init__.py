"""PostgreSQL as services use it: a bounded pool, a schema of one's own, one fate for each failure, and turns among replicas."""
