"""Inference: what the model thinks of each record.

Consumes `records`; follows the tables `projects` and `releases`.
Produces `predictions`.
Serves nothing but its probes and metrics.
"""
