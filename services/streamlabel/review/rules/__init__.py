"""Who may answer, what an answer does, and what the label says: pure decisions, values in, values out."""
