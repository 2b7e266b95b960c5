"""The SQL of the review schema: numbered files, each applied once, in order, never edited after (`runtime.postgres.migrations`)."""

# 0001 speaks of adapters/postgres/headers.py, which is runtime/postgres/headers.py now: an applied file cannot say so.
