"""The fixes: one file each, named as its id."""
