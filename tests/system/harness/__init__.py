"""What the system tests stand on: real processes, started and stopped."""
