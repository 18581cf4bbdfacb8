"""Releases of the fine-tuning stack as real indexes had them, served on loopback: real metadata, made-up wheels."""
