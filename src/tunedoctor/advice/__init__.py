"""What several checks share of error texts: which libraries do not fit, whose memory or library it is."""
