"""Readers of pasted reports: one file for each kind of text, all giving the same facts."""
