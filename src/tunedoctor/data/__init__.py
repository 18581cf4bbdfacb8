"""Reading of training data, and what is wrong with it: faulty rows, duplicates, leaks, secrets, lengths.

Files are streams of rows, examined in blocks by several processes and compared in tables of limited size. `doctor
data`, `train` and `smoke` share it. Tokenizers run in the target, not here.
"""
