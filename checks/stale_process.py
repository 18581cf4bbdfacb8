from collections.abc import Sequence

from tunedoctor.api import (
    ErrorText,
    Facts,
    Finding,
    Packages,
    check,
    expression,
    heard,
    metadata_gone,
    within,
    worded,
)

OF_PYTHON = expression("stale-process/of-python")


@check("stale-process")
def stale_process(facts: Facts) -> Finding | None:
    """Compare what an error asks for with what the list of packages has."""
    said = [
        e for e in facts.errors.errors if not expression("stale-process/resolver").search(e.text)
    ]
    for held in facts.packages.in_memory:
        if held.notebook:
            return _finding(
                f"the kernel has {held.name} {held.version}, and {held.name} {held.installed} is installed"
            )
    for one in facts.request.requirements if facts.request and facts.packages else ():
        there = facts.packages.version(one.name)
        refused = any(
            one.name in e.text
            and one.specifier in e.text
            and not expression("stale-process/other").search(e.text.replace(one.specifier, ""))
            for e in said
        )
        if facts.packages and refused and _elsewhere(facts.packages, one.name, said):
            continue
        if refused and not one.have and there and one.specifier and within(there, one.specifier):
            return _finding(
                f"the error asks for {one.name}{one.specifier}, and {one.name} {there} is installed"
            )
    restart = heard(facts.errors, "stale-process/restart")
    if restart and len(said) > 1:
        return _finding(f"the warning '{restart}'").saying(restart)
    if gone := metadata_gone(facts.errors, facts.typed, replaced=True):
        found = f"the error '{gone.said}', after a cell installed another {gone.name}"
        return _finding(found).saying(gone.said)
    for error in said:
        own = expression("stale-process/own-name").search(error.text)
        if own and expression("stale-process/notebook").search(
            f"{error.text} {' '.join(frame.file for frame in error.frames)}"
        ):
            return _finding(f"{own[3]} does not find its own {own[1]} in {own[2]}")
    return None


def _elsewhere(packages: Packages, name: str, said: Sequence[ErrorText]) -> bool:
    """Tell whether the package that is listed lies in another Python's folder than the code that failed."""
    there = packages.get(name)
    mine = OF_PYTHON.search(there.location) if there else None
    runs = {f[1] for error in said for frame in error.frames if (f := OF_PYTHON.search(frame.file))}
    return mine is not None and bool(runs) and mine[1] not in runs


def _finding(found: str) -> Finding:
    return worded("stale-process", found=found)
