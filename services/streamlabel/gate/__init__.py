"""The statistics of the guarantee, pure: what may be promised of labels that nobody looked at."""
