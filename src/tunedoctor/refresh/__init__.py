"""Learn from the wheel indexes what the shipped wheel table does not know yet."""
