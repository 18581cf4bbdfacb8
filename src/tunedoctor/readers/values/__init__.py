"""What reports made of names and values say: the pairs, the names, and the facts that follow."""
