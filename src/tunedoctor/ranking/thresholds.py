"""Likelihoods that both the ranker and the judgement of its result use."""

COUNTS = 0.005
"""Likelihood from which a cause counts."""
