"""How a process lives and how a stream is worked off exactly once; knows no label."""
