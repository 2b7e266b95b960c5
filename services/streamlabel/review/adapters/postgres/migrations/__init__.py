"""The SQL of the review schema: numbered files, each applied once, in order, never edited after (`runtime.postgres.migrations`)."""
