"""What people see of gates."""
