"""A page that a service serves to people: its files, under which names it may be had, and the look that all pages share."""
