"""Which PyTorch build fits a machine: pure, over the wheel table."""
