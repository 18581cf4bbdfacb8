"""What doctor stores in the user's own state folder: its location, and cached results of examining an environment."""
