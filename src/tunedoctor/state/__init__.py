"""The user's state folder: where it is, whom it may belong to, and cached results of examining an environment.

Only this folder is trusted; nothing in a project or a target can take its place.
"""
