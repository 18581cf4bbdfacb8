"""The shared vocabulary: findings and fixes, plans, versions, snapshots, and how functions are given facts."""
