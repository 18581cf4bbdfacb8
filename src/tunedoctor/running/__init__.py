"""Run a user's command as if it ran without the doctor, and keep what shows why it failed."""
