"""One module for each command: its options as Typer parameters, and the call of what it does."""
