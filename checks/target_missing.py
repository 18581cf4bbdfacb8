from tunedoctor import api


@api.check("target-missing")
def target_missing(
    facts: api.Facts, interpreter: api.Interpreter | api.Unknown | None
) -> api.Finding | api.Unknown | None:
    """Find a live target that gave no interpreter."""
    if not facts.target or isinstance(interpreter, api.Interpreter):
        return None
    if facts.target.chosen_by == "none":
        return None
    why = facts.target.problem or (interpreter.why if isinstance(interpreter, api.Unknown) else "")
    if (
        isinstance(interpreter, api.Unknown) and "doctor check --deep" in why
    ):  # its files do not tell
        return interpreter
    return facts.worded(
        "target-missing",
        found=f"{facts.target.asked}, named by {facts.target.chosen_by}: {why or 'no interpreter is there'}",
    )
