"""Measurements of Streamlabel on real servers, next to what the servers give without it."""
