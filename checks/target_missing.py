from tunedoctor.api import Finding, Interpreter, Known, Target, Unknown, check, worded


@check("target-missing")
def target_missing(
    target: Known[Target], interpreter: Interpreter | Unknown | None
) -> Finding | Unknown | None:
    """Find a live target that gave no interpreter."""
    if not isinstance(target, Target) or isinstance(interpreter, Interpreter):
        return None
    if target.chosen_by == "none":
        return None
    why = target.problem or (interpreter.why if isinstance(interpreter, Unknown) else "")
    if isinstance(interpreter, Unknown) and "doctor check --deep" in why:  # its files do not tell
        return interpreter
    return worded(
        "target-missing",
        found=f"{target.asked}, named by {target.chosen_by}: {why or 'no interpreter is there'}",
    )
