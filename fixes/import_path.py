"""Keep packages of the user's own site, and of PYTHONPATH, from hiding those of the environment.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from tunedoctor.api import (
    Draft,
    Finding,
    Host,
    Interpreter,
    Packages,
    Unknown,
    fix,
    known,
    name_of,
    pip_lines_of,
    unset_variable,
    variable_of,
)

NAMES = ("PYTHONNOUSERSITE", "PYTHONPATH")


@fix(
    "import-path",
    "Keep foreign packages out of the import path",
    cures=["user-site-shadowing", "local-file-shadowing", "library-version-clash"],
)
def import_path(
    finding: Finding,
    interpreter: Interpreter | Unknown | None,
    packages: Packages | Unknown | None,
    host: Host | Unknown | None,
) -> Draft | None:
    """Set or unset what the finding's cure names, or what lets a copy win that no install can reach."""
    cure = finding.cure
    if _hidden(finding, known(packages), known(interpreter)):
        cure = unset_variable(host, "PYTHONPATH")
    step = variable_of(cure, interpreter, NAMES)
    return Draft(steps=(step,), reason=finding.found) if step is not None else None


def _hidden(finding: Finding, packages: Packages | None, interpreter: Interpreter | None) -> bool:
    """Tell whether a package to be installed is there already, behind a copy that PYTHONPATH brings."""
    if packages is None or interpreter is None:
        return False
    named = {name_of(r) for line in pip_lines_of(finding.cure) for r in line.requirements}
    return any(c.name in named and c.hidden_by in interpreter.pythonpath for c in packages.copies)
