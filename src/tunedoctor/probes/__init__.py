"""One file per source of facts about this machine and the target."""
