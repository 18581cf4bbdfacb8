from tunedoctor.api import Facts, Finding, Interpreter, Unknown, check, worded


@check("target-missing")
def target_missing(
    facts: Facts, interpreter: Interpreter | Unknown | None
) -> Finding | Unknown | None:
    """Find a live target that gave no interpreter."""
    if not facts.target or isinstance(interpreter, Interpreter):
        return None
    if facts.target.chosen_by == "none":
        return None
    why = facts.target.problem or (interpreter.why if isinstance(interpreter, Unknown) else "")
    if isinstance(interpreter, Unknown) and "doctor check --deep" in why:  # its files do not tell
        return interpreter
    return worded(
        "target-missing",
        found=f"{facts.target.asked}, named by {facts.target.chosen_by}: {why or 'no interpreter is there'}",
    )
