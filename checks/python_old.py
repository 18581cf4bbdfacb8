"""A newer Python is recommended.

What it means
    The newest releases of the stack drop old Pythons one by one: torch 2.15 needs 3.11, transformers 5 needs 3.10.
    What is installed goes on working.

How it is found
    The version of the target's interpreter.

Cures
    A new environment with Python 3.12.

When to ignore it
    While the versions that you have do what you need.

Seen as
    Requires-Python >=3.11
"""

from tunedoctor.api import Finding, Interpreter, at_least, check, worded

RECOMMENDED = "3.11"
"""Floor of torch 2.15. Source: torch_wheels.json."""


@check("python-old", "A newer Python is recommended", "note", advice=True)
def python_old(interpreter: Interpreter) -> Finding | None:
    """Compare with the floor of the newest torch."""
    if not interpreter.version or at_least(interpreter.version, RECOMMENDED):
        return None
    return worded("python-old", version=interpreter.version)
