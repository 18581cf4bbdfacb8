"""The command line: Typer functions with their options, rules between options, and exit codes.

`commands/` has one function per command; a file named after the command calls the function of `core/` that does the
work and passes its result to `render/`. Nothing is decided here: other programs call `core/` directly.
"""
