"""Scripts that run in the target interpreter: standard library only, Python 3.8 and newer."""
