"""Facts that several checks read from error texts: libraries that do not fit, and the owner of memory or a library."""
