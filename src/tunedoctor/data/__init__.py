"""Examine training data before a training: faults by line, forms, repeats, leaks, secrets, lengths."""
