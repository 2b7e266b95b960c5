"""Books, transitions and gates in PostgreSQL."""
