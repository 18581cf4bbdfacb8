from tunedoctor.api import Finding, Interpreter, at_least, check, worded

RECOMMENDED = "3.11"
"""Floor of torch 2.15. Source: torch_wheels.json."""


@check("python-old")
def python_old(interpreter: Interpreter) -> Finding | None:
    """Compare with the floor of the newest torch."""
    if not interpreter.version or at_least(interpreter.version, RECOMMENDED):
        return None
    return worded("python-old", version=interpreter.version)
