"""Consumes `review-tasks`, follows `projects`.

Produces `labels` (source HUMAN).
Serves gRPC `ReviewService`, the same as JSON over HTTP, and the page where people work.
"""
