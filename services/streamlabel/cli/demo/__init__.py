"""The demonstration: real digits through the real stack, simulated people, and a report that was read back from the labels."""
