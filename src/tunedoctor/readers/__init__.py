"""Readers of pasted reports: one module for each kind of text, all of which return the same facts."""
