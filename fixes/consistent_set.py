"""Bring libraries that clash to versions that fit each other, by the smallest change.

The finding says which range is wanted; the resolver finds the set around what is installed.
"""

from tunedoctor.api import (
    Draft,
    Finding,
    Interpreter,
    Packages,
    Resolve,
    Unknown,
    fix,
    known,
    name_of,
    pip_lines_of,
)


@fix(
    "consistent-set",
    "Bring libraries to versions that fit each other",
    cures=[
        "library-version-clash",
        "import-contract-clash",
        "transformers-too-old-for-model",
        "numpy-abi",
    ],
)
def consistent_set(
    finding: Finding, packages: Packages, interpreter: Interpreter | Unknown | None
) -> Draft | None:
    """Ask for the versions that the finding names; one to upgrade without a range, for a newer one than there is."""
    foreign = _foreign(known(interpreter))
    wanted: list[str] = []
    for line in pip_lines_of(finding.cure):
        for one in line.requirements if line.verb == "install" and not line.builds else ():
            held = packages.get(name_of(one))
            if held is not None and held.location in foreign:
                return None  # an install into the environment stays behind that copy
            there = packages.version(name_of(one)).partition("+")[0]
            bare = one == name_of(one)
            wanted.append(f"{one}>{there}" if bare and line.upgrade and there else one)
    return (
        Draft(steps=(Resolve(requirements=tuple(wanted)),), reason=finding.found)
        if wanted
        else None
    )


def _foreign(interpreter: Interpreter | None) -> tuple[str, ...]:
    """Return the folders whose packages win over those of the environment."""
    if interpreter is None or interpreter.kind not in ("venv", "conda"):
        return ()
    own = (interpreter.user_site,) if interpreter.user_site_on and interpreter.user_site else ()
    return (*interpreter.pythonpath, *own)
