"""The queue in PostgreSQL: every SQL statement of the review service lives here."""
