"""Streamlabel: labels every record of a live stream, by a model where it may and by people where it must."""
