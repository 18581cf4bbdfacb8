"""Estimate what a fine-tune needs before it starts: memory by term and phase, RAM, disk and time. Pure, from tables."""
