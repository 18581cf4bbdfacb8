"""The project around an environment: what its files declare and lock, and how a fix changes them.

Everything is read statically, with file and line. A project is anybody's folder: only its own regular files are read,
few of them, of a limited size. Changes are computed here and written by the transaction, together with the environment.
"""
