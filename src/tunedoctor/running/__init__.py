"""Run a user's command as if it ran without doctor, and keep the output that shows why it failed."""
