"""Keep packages of the user's own site, and of PYTHONPATH, from hiding those of the environment.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from tunedoctor.api import Draft, Finding, Interpreter, Unknown, fix, variable_of

NAMES = ("PYTHONNOUSERSITE", "PYTHONPATH")


@fix(
    "import-path",
    "Keep foreign packages out of the import path",
    cures=["user-site-shadowing", "local-file-shadowing"],
)
def import_path(finding: Finding, interpreter: Interpreter | Unknown | None) -> Draft | None:
    """Set or unset what the finding's cure names, in the activation of the environment."""
    step = variable_of(finding.cure, interpreter, NAMES)
    return Draft(steps=(step,), reason=finding.found) if step is not None else None
