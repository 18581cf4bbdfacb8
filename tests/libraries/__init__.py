"""A package index on loopback with small wheels named as the libraries of the stack, and environments of them."""
