"""There is no Python interpreter where the target was asked for.

What it means
    The doctor looks at one environment, the target. None was found at the place that --target, VIRTUAL_ENV,
    CONDA_PREFIX or ./.venv name, or what lies there does not start.

How it is found
    The path is looked up, and the files of the interpreter are read; with --deep it is started once with -I -S.

Cures
    Name the environment that you train in: a folder or an interpreter. An environment whose base Python was removed
    must be made anew.

When to ignore it
    Never: without a target nothing can be said of PyTorch.

Seen as
    No such file or directory
    bad interpreter: No such file or directory
"""

from tunedoctor.api import Finding, Interpreter, Known, Target, Unknown, check, worded


@check("target-missing", "There is no Python at the target")
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
