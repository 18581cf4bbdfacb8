import re
import sys

from tunedoctor import api

HOW = {"work": ", from the folder it lies in", "pythonpath": ", by way of PYTHONPATH", "path": ""}


@api.check("local-file-shadowing")
def local_file_shadowing(facts: api.Facts) -> api.Finding | None:
    """Libraries first, then standard modules, what a run imported from elsewhere, copies by PYTHONPATH, errors."""
    found = facts.shadowed.shadows
    libraries = [s for s in found if api.distribution_of(s.module)]
    standard = [s for s in found if not api.distribution_of(s.module)]
    # live, the folders themselves tell; what runs in the target does not start from the working folder
    errors = () if facts.shadowed else facts.errors.errors
    return (
        _finding(facts, [s for s in libraries if s.hides], "error")
        or _finding(facts, [s for s in standard if s.where != "work"], "error")
        or _strays(facts)
        or next((told for error in errors if (told := _from_error(facts, error))), None)
        or _finding(facts, standard, "warning")
        or _from_copies(facts)
        or _finding(facts, [s for s in libraries if not s.hides], "note")
    )


def _finding(
    facts: api.Facts, shadows: list[api.Shadow], severity: api.Severity
) -> api.Finding | None:
    first = next(iter(shadows), None)
    if first is None:
        return None
    return facts.worded(
        "local-file-shadowing",
        severity=severity,
        evidence=tuple(s.path for s in shadows[:4]),
        first=first,
        kind="library" if api.distribution_of(first.module) else "standard module",
        renamed=_renamed(first.path),
        hides=first.hides or f"an installed {first.module}",
        how=HOW[first.where],
        others=[s.module for s in shadows[1:]],
    )


def _renamed(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_mine.{ending}" if dot and "/" not in ending else f"{path}_mine"


def _from_copies(facts: api.Facts) -> api.Finding | None:
    for one in facts.packages.copies:
        known = api.distribution_of(one.name.replace("-", "_"))
        differs = known and one.version != one.winner_version
        if differs and one.hidden_by in facts.interpreter.pythonpath:
            return facts.worded("local-file-shadowing/copies", copy=one)
    return None


def _strays(facts: api.Facts) -> api.Finding | None:
    """Tell of installed packages of which a run imported another copy, from a folder that code put on the path."""
    path = tuple(one + sep for one in facts.interpreter.path for sep in "/\\")
    away = (one for one in facts.runtime.strays if not one.file.startswith(path))
    pairs = ((one, facts.packages.get(api.brought_by(one.module))) for one in away)
    found = [(one, held) for one, held in pairs if held and not held.editable]
    if not found or not facts.interpreter:
        return None
    first, held = found[0]
    died = any(one.outcome in ("failed", "crashed") for one in facts.runtime.stages)
    return facts.worded(
        "local-file-shadowing/strays:died" if died else "",
        "local-file-shadowing/strays:by" if first.by else "",
        "local-file-shadowing/strays",
        first=first,
        held=held,
        others=[one.module for one, _ in found[1:]],
    )


def _is_mine(file: str, module: str) -> bool:
    """Tell a folder or file of the user's that has a library's name; a checkout of that library is none."""
    name = re.escape(module)
    checkout = re.search(rf"[\\/]{name}[\w.-]*[\\/]{name}[\\/]", file)
    installed = api.expression("local-file-shadowing/installed").search(file)
    return bool(api.distribution_of(module)) and not installed and not checkout


def _mine(facts: api.Facts, part: str, found: re.Match[str]) -> api.Finding:
    """Tell of a file of the user's, the second group, which is imported as the module of the first one."""
    folder = re.sub(r"[\\/]__init__\.py$", "", found[2]) if part == "own-folder" else found[2]
    key, renamed, said = f"local-file-shadowing/{part}", _renamed(folder), found[0][:100]
    return facts.worded(key, folder=folder, renamed=renamed, match=found, words=said)


def _from_error(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Take what an error says of a file or folder that has the name of a library or standard module."""

    def said(kind: str) -> re.Match[str] | None:
        return api.expression(f"local-file-shadowing/{kind}").search(error.text)

    circular = said("circular")
    if circular and not re.search("(?:site|dist)-packages", circular[2]):
        return _mine(facts, "circular", circular)
    if renamed := said("rename"):
        key, file = "local-file-shadowing/renamed", renamed[1]
        hides = renamed[2] or "the library of that name"
        return facts.worded(key, file=file, hides=hides, renamed=_renamed(file))
    own = said("own-folder")
    if own and _is_mine(own[2], own[1]):
        return _mine(facts, "own-folder", own)
    for kind in ("plain", "hollow", "nowhere"):
        found = said(kind)
        module = next(filter(None, found.groups())) if found else ""
        known = api.distribution_of(module) or module in sys.stdlib_module_names
        if found and (known or kind == "nowhere"):
            return facts.worded(f"local-file-shadowing/{kind}", said=found[0], module=module)
    return facts.worded("local-file-shadowing/uncompiled") if said("uncompiled") else None
