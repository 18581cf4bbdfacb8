"""Run the stack inside the target, stage by stage: the deep probe."""
