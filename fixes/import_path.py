"""Keep packages of the user's own site, and of PYTHONPATH, from hiding those of the environment.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from msgspec import structs

from tunedoctor.api import (
    Cure,
    Draft,
    Finding,
    Host,
    Interpreter,
    Packages,
    Unknown,
    fix,
    known,
    name_of,
    set_variable,
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
    cure = _apart(finding, known(packages), known(interpreter), known(host)) or finding.cure
    step = variable_of(structs.replace(finding, cure=cure), interpreter, NAMES)
    return Draft(steps=(step,), reason=finding.found) if step is not None else None


def _apart(
    finding: Finding,
    packages: Packages | None,
    interpreter: Interpreter | None,
    host: Host | None,
) -> Cure:
    """Return what keeps away a copy that wins over the package that the cure would install; nothing where none does."""
    if packages is None or interpreter is None or interpreter.kind not in ("venv", "conda"):
        return Cure()
    named = {name_of(r) for line in finding.cure.installs for r in line.requirements}
    hiding = {c.hidden_by for c in packages.copies if c.name in named}
    if hiding & {*interpreter.pythonpath}:
        return unset_variable(host, "PYTHONPATH")
    if interpreter.user_site_on and interpreter.user_site in hiding:
        return set_variable(host, "PYTHONNOUSERSITE", "1")
    return Cure()
