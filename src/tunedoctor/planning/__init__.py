"""From findings to one plan: fixes draft it, the resolver and the index fill it in, the simulation judges it."""
