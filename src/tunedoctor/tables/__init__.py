"""Knowledge about the world: data files, each row with its source, and a small loader for each."""
