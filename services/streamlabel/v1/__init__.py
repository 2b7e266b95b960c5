"""Generated from protos/streamlabel/v1 by protos/generate.py: everything here is wire. Never edit."""
