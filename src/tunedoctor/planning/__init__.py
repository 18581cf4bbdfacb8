"""From findings to one plan: fixes draft it, the resolver and the index fill it in, a simulation judges it.

`doctor fix` applies the plan and `doctor set` shows it. It changes nothing; the scratch copies in which a project is
locked are deleted again.
"""
