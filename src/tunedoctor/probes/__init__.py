"""Facts about this machine and the target, one file per source.

`probing.py` runs probes in parallel with a time limit each, as soon as the facts that they need are known. The
target's packages run only with `--deep`, in a child process. `probes/` also chooses the target.
"""
