"""Take folders out of LD_LIBRARY_PATH whose libraries win over those that torch brings.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from tunedoctor.api import Draft, Finding, Interpreter, Unknown, fix, variable_of

NAMES = ("LD_LIBRARY_PATH",)


@fix(
    "library-path",
    "Take foreign folders out of the library path",
    cures=["library-path-shadowing", "cuda-compat-unsupported-gpu"],
)
def library_path(finding: Finding, interpreter: Interpreter | Unknown | None) -> Draft | None:
    """Set or unset what the finding's cure names, in the activation of the environment."""
    step = variable_of(finding, interpreter, NAMES)
    return Draft(steps=(step,), reason=finding.found) if step is not None else None
