"""Commands: parse, call, exit."""
