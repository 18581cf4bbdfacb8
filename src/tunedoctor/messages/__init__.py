"""What errors say, as rows: literal text with typed, bounded slots. A row names a cause for sure, or as one of several."""
