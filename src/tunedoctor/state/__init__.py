"""What the doctor keeps in the user's own state folder: where that is, and what a look at an environment found."""
