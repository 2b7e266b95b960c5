"""Routing's ports made real."""
