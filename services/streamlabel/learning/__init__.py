"""Consumes `predictions`, `review-tasks` and `labels`, follows `projects` and `releases`.

Produces `gates`.
Serves the page `/gate`, where people see what is certified and why, and its JSON.
"""
