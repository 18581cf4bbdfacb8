"""Safe access to the system: child processes that cannot outlive doctor, and reading of files from others."""
