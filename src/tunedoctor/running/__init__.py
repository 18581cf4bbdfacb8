"""Run a user's command as if it ran without doctor, and keep the output that shows why it failed.

Streams, signals and exit status are passed on unchanged. Doctor's own child processes are in `system/`.
"""
