"""The smoke training, from outside: start its scripts in the target, judge its stages, find a failure's cause.

The scripts that train are in `target/`.
"""
