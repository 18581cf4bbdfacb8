"""Carry out a plan so that the environment is the old one or the new one, whole, whenever it is stopped.

`apply.apply(plan, target, …) -> Outcome` and `undoing.undo(target, …) -> Undone` are what others call.
"""
