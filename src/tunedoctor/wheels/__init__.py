"""The choice of the PyTorch build for a machine: pure functions over the wheel table.

`doctor wheel`, `set`, `fix` and the cures of checks use the same choice. If no build fits, they say which condition is
in the way. The table itself is in `tables/`.
"""
