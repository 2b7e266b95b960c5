"""Consumes `predictions`, follows `projects` and `gates`.

Produces `labels` (source MODEL) and `review-tasks`.
Serves nothing but its metrics and probes.
"""
