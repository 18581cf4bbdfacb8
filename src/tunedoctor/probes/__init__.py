"""Sources of facts about this machine and the target: one file each."""
