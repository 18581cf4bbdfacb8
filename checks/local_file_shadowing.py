import re
import sys

from tunedoctor.api import (
    Facts,
    Finding,
    PackageCopy,
    Shadow,
    check,
    distribution_of,
    expression,
    listed,
    tell,
    worded,
)


@check("local-file-shadowing")
def local_file_shadowing(facts: Facts) -> Finding | None:
    """Libraries first, then standard modules, what a run imported from elsewhere, copies by PYTHONPATH, errors."""
    found = list(facts.shadowed.shadows)
    libraries = [s for s in found if distribution_of(s.module) and s.hides]
    standard = [s for s in found if not distribution_of(s.module)]
    empty = [s for s in found if distribution_of(s.module) and not s.hides]
    # live, the folders themselves tell; what runs in the target does not start from the working folder
    said = _from_errors(facts) if not facts.shadowed else None
    copies = _by_pythonpath(facts)
    outside = [s for s in standard if s.where != "work"]
    return (
        (_finding(libraries, "error") if libraries else None)
        or (_finding(outside, "error") if outside else None)
        or _strays(facts)
        or said
        or (_finding(standard, "warning") if standard else None)
        or (_from_copies(facts, copies) if copies else None)
        or (_finding(empty, "note") if empty else None)
    )


def _finding(shadows: list[Shadow], severity: str) -> Finding:
    first = shadows[0]
    others = [s.module for s in shadows[1:]]
    how = {"work": "from the folder it lies in", "pythonpath": "by way of PYTHONPATH", "path": ""}
    kind = "library" if distribution_of(first.module) else "standard module"
    return Finding(
        severity=severity,  # type: ignore[arg-type]
        title=f"{first.module} of yours hides the {kind} of that name"
        if len(first.module) < 24
        else "",
        found=f"{first.path} is imported in place of {first.hides or 'an installed ' + first.module}"
        + (f", {how[first.where]}" if how[first.where] else "")
        + (f"; also {listed(others)}" if others else ""),
        means=f"import {first.module} takes it: 'cannot import name', 'circular import' or "
        "'(unknown location)' in training",
        cure=tell(f"mv {first.path} {_renamed(first.path)}"),
        cure_note="yours to rename; or start the script from another folder",
        evidence=tuple(s.path for s in shadows[:4]),
    )


def _renamed(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_mine.{ending}" if dot and "/" not in ending else f"{path}_mine"


def _by_pythonpath(facts: Facts) -> list[PackageCopy]:
    if not facts.packages or not facts.interpreter:
        return []
    return [
        c
        for c in facts.packages.copies
        if c.hidden_by in facts.interpreter.pythonpath
        and distribution_of(c.name.replace("-", "_"))
        and c.version != c.winner_version
    ]


def _from_copies(facts: Facts, copies: list[PackageCopy]) -> Finding:
    first = copies[0]
    return worded(
        "local-file-shadowing/copies",
        found=f"{first.name} {first.winner_version} in {first.hidden_by} wins over {first.version} in {first.location}",
        evidence=(first.hidden_by,),
        host=facts.host,
    )


def _strays(facts: Facts) -> Finding | None:
    """Tell of installed packages of which a run imported another copy, from a folder that code put on the path."""
    if not facts.runtime or not facts.packages or not facts.interpreter:
        return None
    path = tuple(one + sep for one in facts.interpreter.path for sep in "/\\")
    found = [
        (one, held)
        for one in facts.runtime.strays
        if (held := facts.packages.get(distribution_of(one.module) or one.module.replace("_", "-")))
        and not held.editable
        and not one.file.startswith(path)
    ]
    if not found:
        return None
    first, held = found[0]
    others = listed(one.module for one, _ in found[1:])
    died = any(one.outcome in ("failed", "crashed") for one in facts.runtime.stages)
    title = f"Another {first.module} than the installed one is imported"
    return worded(
        "local-file-shadowing/strays",
        severity="error" if died else "warning",
        title=title if len(title) <= 60 else "",
        found=f"{first.file} is imported in place of {held.name} {held.version} in {held.location}"
        + (f"; {first.by} puts its folder first on the path" if first.by else "")
        + (f"; also {others}" if others else ""),
        cure=tell(f"mv '{first.by}' '{first.by}.off'") if first.by else None,
        module=first.module,
        evidence=tuple(filter(None, (first.by, first.file))),
    )


def _is_mine(file: str, module: str) -> bool:
    """Tell a folder or file of the user's that has a library's name; a checkout of that library is none."""
    name = re.escape(module)
    checkout = re.search(rf"[\\/]{name}[\w.-]*[\\/]{name}[\\/]", file)
    return (
        bool(distribution_of(module))
        and not expression("local-file-shadowing/installed").search(file)
        and not checkout
    )


def _folder_of(file: str) -> str:
    """Return the folder of a package's __init__.py, or the file itself."""
    return re.sub(r"[\\/]__init__\.py$", "", file)


def _mine(part: str, found: re.Match[str], folder: str) -> Finding:
    """Tell of a file of the user's, the second group, which is imported as the module of the first one."""
    return worded(
        f"local-file-shadowing/{part}",
        folder=folder,
        renamed=_renamed(folder),
        module=found[1],
        mine=found[2],
        words=found[0][:100],
    )


def _named_alike(text: str) -> Finding | None:
    """Take what an error says of a file or folder that has the name of a library or standard module."""
    renamed = expression("local-file-shadowing/rename").search(text)
    if renamed:
        return worded(
            "local-file-shadowing/renamed",
            found=f"{renamed[1]} is imported in place of {renamed[2] or 'the library of that name'}",
            cure=tell(f"mv {renamed[1]} {_renamed(renamed[1])}"),
        )
    own = expression("local-file-shadowing/own-folder").search(text)
    if own and _is_mine(own[2], own[1]):
        return _mine("own-folder", own, _folder_of(own[2]))
    plain = expression("local-file-shadowing/plain").search(text)
    if plain and (distribution_of(plain[1]) or plain[1] in sys.stdlib_module_names):
        return worded("local-file-shadowing/plain", said=plain[0], plain=plain[1])
    return None


def _from_errors(facts: Facts) -> Finding | None:
    for error in facts.errors.errors:
        circular = expression("local-file-shadowing/circular").search(error.text)
        if circular and "site-packages" not in circular[2] and "dist-packages" not in circular[2]:
            return _mine("circular", circular, circular[2])
        alike = _named_alike(error.text)
        if alike:
            return alike
        hollow = expression("local-file-shadowing/hollow").search(error.text)
        module = (hollow["partly"] or hollow["empty"]) if hollow else ""
        if hollow and (distribution_of(module) or module in sys.stdlib_module_names):
            return worded(
                "local-file-shadowing/hollow",
                title=f"A file or folder of yours called {module} hides it"[:60],
                said=hollow[0],
                module=module,
            )
        nowhere = expression("local-file-shadowing/nowhere").search(error.text)
        if nowhere:
            return worded("local-file-shadowing/nowhere", said=nowhere[0], nowhere=nowhere[1])
        if expression("local-file-shadowing/uncompiled").search(error.text):
            return worded("local-file-shadowing/uncompiled")
    return None
