"""What is spoken everywhere: findings and cures, plans, versions, snapshots, and who is given which facts."""
