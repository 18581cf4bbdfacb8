"""Packages in the user site win over the environment.

What it means
    ~/.local/lib/pythonX.Y/site-packages comes before the packages of a conda environment or the system. What pip
    install --user once put there is imported in place of what the environment holds.

How it is found
    Copies of one package along the target's path: which wins, which is hidden.

Cures
    Leave the user site out, or uninstall the copy that lies there.

When to ignore it
    Where both copies have the same version.

Seen as
    Requirement already satisfied: torch in ./.local/lib/python3.10/site-packages
    Defaulting to user installation because normal site-packages is not writeable
"""

from tunedoctor.api import (
    Finding,
    Host,
    Interpreter,
    Packages,
    Unknown,
    check,
    distribution_of,
    listed,
    set_variable,
)


@check(
    "user-site-shadowing",
    "Packages in the user site win over the environment",
    "warning",
    explains=["library-version-clash", "torch-companion-mismatch"],
)
def user_site_shadowing(
    packages: Packages, interpreter: Interpreter, host: Host | Unknown | None
) -> Finding | None:
    """Find hidden copies of the stack whose winner lies in the user site and has another version."""
    if not interpreter.user_site_on or not interpreter.user_site:
        return None
    hidden = [
        c
        for c in packages.copies
        if c.hidden_by == interpreter.user_site
        and c.version != c.winner_version
        and distribution_of(c.name.replace("-", "_"))
    ]
    if not hidden:
        return None
    first = hidden[0]
    return Finding(
        found=f"{first.name} {first.winner_version} in {first.hidden_by} wins over {first.version} in {first.location}"
        + (f"; also {listed(c.name for c in hidden[1:])}" if len(hidden) > 1 else ""),
        means="the environment's own versions are never imported: 'cannot import name', or another torch",
        cure=set_variable(host, "PYTHONNOUSERSITE", "1"),
        cure_note="in the shell that starts the training; for good: conda env config vars set PYTHONNOUSERSITE=1",
        evidence=(first.hidden_by,),
    )
