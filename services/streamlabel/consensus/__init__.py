"""What people's answers come to where they differ: pure, on arrays."""
