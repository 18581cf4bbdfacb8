"""One set of libraries that fits a machine, or the smallest change that makes an installed one consistent."""
