"""What the door decides: pure, values in, values out."""
