"""Many machines: their snapshots by engines that people run, and which node differs, and what explains it."""
