"""Readers of what ROCm's tools print."""
