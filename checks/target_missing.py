from tunedoctor import api


@api.check("target-missing")
def target_missing(
    facts: api.Facts, interpreter: api.Interpreter | api.Unknown | None
) -> api.Result:
    """Find a live target that gave no interpreter."""
    if not facts.target or isinstance(interpreter, api.Interpreter):
        return None
    if facts.target.chosen_by == "none":
        return None
    unknown = interpreter.why if isinstance(interpreter, api.Unknown) else ""
    why = facts.target.problem or unknown
    if isinstance(interpreter, api.Unknown) and "doctor check --deep" in why:
        return interpreter  # its files do not tell
    return facts.worded("target-missing", why=why)
