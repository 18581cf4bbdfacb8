"""Choose the PyTorch build for a machine: pure functions on the wheel table."""
