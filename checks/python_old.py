from tunedoctor import api

RECOMMENDED = "3.11"
"""Floor of torch 2.15. Source: torch_wheels.json."""


@api.check("python-old")
def python_old(facts: api.Facts, interpreter: api.Interpreter) -> api.Finding | None:
    """Compare with the floor of the newest torch."""
    if not interpreter.version or api.at_least(interpreter.version, RECOMMENDED):
        return None
    return facts.worded("python-old", version=interpreter.version)
