"""Readers of what the system's own tools print."""
