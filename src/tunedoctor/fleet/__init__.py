"""Many machines: collect their snapshots with existing tools, find which nodes differ, and what explains it."""
