"""What all rooms share: findings and fixes, plans, versions, snapshots, wording, and how functions are given facts.

It knows no operating system, no file and no command.
"""
