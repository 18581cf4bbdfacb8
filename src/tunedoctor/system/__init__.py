"""Safe access to the system: child processes that cannot outlive doctor, and reading of other people's files.

It also decides which programs of PATH may be started. What the programs say is understood in `probes/`.
"""
