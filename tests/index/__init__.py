"""Package indexes on loopback, and environments to install into from them."""
