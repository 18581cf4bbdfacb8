"""What errors say, as rows: literal text with typed, bounded slots. A row proves a cause, or is shared by several."""
