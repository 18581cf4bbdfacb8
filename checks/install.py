import re
from collections.abc import Sequence
from typing import Any

from tunedoctor import api

WHAT: dict[str, str] = api.table("probes")["faults"]
"""Fault -> its description, worst first."""
OF_TORCH = {"sympy", "networkx", "typing-extensions", "mpmath", "setuptools"}
STACK = frozenset(api.table("probes")["stack"]) | OF_TORCH
"""The stack and its dependencies."""
REMAINS = tuple(sorted(name[1:] for name in STACK))


@api.check("broken-install")
def broken_install(facts: api.Facts, packages: api.Packages | api.Unknown | None) -> api.Result:
    """Report the worst fault in the stack; leftovers of other packages are a note."""
    faults = sorted(facts.packages.broken, key=lambda b: [*WHAT].index(b.problem))
    # missing metadata of conda's own packages is common and harmless
    harmless = {("no metadata", name) for name in facts.packages.conda}
    ours = [fault for fault in faults if fault.problem != "leftover" and fault.name in STACK]
    # local-file-shadowing reports copies that PYTHONPATH puts before the installed one
    hidden_by_path = {
        (copy.name, copy.hidden_by)
        for copy in facts.packages.copies
        if copy.hidden_by in facts.interpreter.pythonpath
    }
    real = [fault for fault in ours if (fault.problem, fault.name) not in harmless]
    real = [fault for fault in real if (fault.name, fault.location) not in hidden_by_path]
    if real or facts.contracts.damaged:
        return _faulty(facts, real) if real else _damaged(facts, facts.contracts.damaged)
    for error in facts.errors.errors:
        if finding := _from_error(facts, error):
            return finding
    if gone := api.metadata_gone(facts.errors, facts.typed, replaced=False):
        # pip then fails for every package, not only for this one
        return facts.worded("/gone", said=gone.said, name=gone.name, version=gone.version)
    for error in facts.errors.errors:
        if finding := _mixed(facts, error) or _part_missing(facts, error):
            return finding
    if isinstance(packages, api.Unknown):
        return packages
    return _leftovers(facts, [fault for fault in faults if fault.problem == "leftover"])


def _faulty(facts: api.Facts, real: list[api.BrokenDistribution]) -> api.Finding:
    first = real[0]
    installed = facts.packages.get(first.name)
    # an index need not have the version of an editable install
    version = installed.version if installed and not installed.editable else ""
    cure = api.put_anew(facts.interpreter, facts.torch, first.name, version)
    if first.name == "torch" and version and not facts.torch:
        cure = api.same_torch(facts.interpreter, version, version.partition("+")[2])
    if first.name == "torch" and not version:
        cure = api.torch_install(facts).cure.with_flag("--force-reinstall") or cure
    faults = (f"{b.name}: {WHAT[b.problem]} ({b.detail}) in {b.location}" for b in real)
    return facts.worded(
        "/faulty",
        found=api.clauses(faults),
        cure=cure,
        evidence=tuple({f"{b.location}/{re.split(',|: ', b.detail)[0]}": 1 for b in real})[:4],
        name=first.name,
        what=WHAT[first.problem],
        module=first.name.replace("-", "_"),
    )


def _damaged(facts: api.Facts, damaged: Sequence[api.DamagedFile]) -> api.Finding:
    """Report packages whose files differ from RECORD and lack what others import from them."""

    def weight(damaged_file: api.DamagedFile) -> tuple[bool, bool, int]:
        return (
            damaged_file.distribution != "torch",
            damaged_file.distribution not in STACK,
            -len(damaged_file.dependents),
        )

    worst = sorted(damaged, key=weight)
    first = worst[0]
    needed = any(map(api.needed_library, (first.distribution, *first.dependents)))
    version = facts.packages.version(first.distribution)
    return facts.worded(
        "/damaged",
        severity="error" if needed or first.distribution in STACK else "warning",
        cure=api.put_anew(facts.interpreter, facts.torch, first.distribution, version),
        found=api.clauses(map(_differs, worst)),
        evidence=tuple(damaged_file.file for damaged_file in worst)[:4],
        name=first.distribution,
    )


def _differs(damaged_file: api.DamagedFile) -> str:
    """Return one clause about a damaged file."""
    lacks = api.listed(damaged_file.names, 2)
    missed = (
        f", and {api.listed(damaged_file.dependents, 2)} cannot import {lacks}"
        if damaged_file.dependents
        else ""
    )
    error = f" ({damaged_file.error})" if damaged_file.error else ""
    return f"{damaged_file.file} is not the file that {damaged_file.distribution} installed{error}{missed}"


def _from_error(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    for kind in ("cut-file", "no-record", "bad-entry", "busy"):
        if match := facts.search(f"/{kind}", error.text):
            name = api.brought_by(match[1])
            name = name if name in STACK else _whole(match[1].lower())
            if name in STACK:
                return facts.worded("/cut-file", said=match[0], name=name)
            break
    for kind in ("compiled", "uv-read"):
        if part := facts.search(f"/{kind}", error.text):
            name = api.brought_by(_module(part))
            # doctor's own import in an environment that has the package needs no confirmation
            own = error.where.startswith("import ") and facts.packages.version(name)
            show = f"{api.pip_line(facts.interpreter, 'show')} --files {name}"
            settle = "" if own or kind == "uv-read" else show
            said = " ".join(part[0].split())[:140]
            return facts.worded("/cut-short", said=said, name=name, settle=settle)
    if versionless := facts.search("/none-found", error.text):
        return facts.worded("/half-removed:no-version", said=versionless[0], name=versionless[1])
    half = facts.search("/invalid", error.text)
    name = _whole(half[1].lower().replace("_", "-")) if half else ""
    if half is None or name not in STACK:
        return None
    if facts.torch if name == "torch" else facts.packages.version(name):
        # the package is complete: pip ignores the leftovers and says so on each run
        rest = name[1:].replace("-", "_")
        return facts.worded("/left-beside", said=half[0], name=name, rest=rest)
    return facts.worded("/half-removed:half", said=half[0], name=name)


def _whole(name: str) -> str:
    """Return the stack name whose first letter pip replaced with ~, or the name unchanged."""
    return next((n for n in sorted(STACK) if n[1:] == name), name)


def _module(part: re.Match[str]) -> str:
    """Return the module of a compiled part, or the package that uv names."""
    groups = {key: value for key, value in part.groupdict().items() if value}
    module = next((groups[n] for n in ("package", "torch", "other", "mac") if n in groups), "")
    module = module or groups.get("from", "").partition(".")[0]
    return module or ("numpy" if "numpy" in groups else next(filter(None, part.groups()), ""))


def _mixed(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Find a package whose file imports a missing part of itself: files of two releases are mixed."""
    missing = facts.search("/own-part", error.text)
    folder = facts.search("/of-package", error.frames[-1].file if error.frames else "")
    if missing is None or folder is None or folder[1] != missing[1]:
        return None
    name = api.brought_by(missing[1])
    if name not in STACK or name in ("torch", "numpy"):
        return None
    return facts.worded("/own-part", said=missing[0], name=name)


def _part_missing(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Find a part that doctor's own import missed and that no version pair explains.

    Only a package's own files show what belongs to it: what another library asks for can be of another release.
    """
    match = facts.search("/part", error.text)
    if match is None or not facts.packages.complete:
        return None
    module = match["part"] or match["folder"]
    name = api.brought_by(module)
    # a missing part can belong to another version; a folder without code is always a fault
    is_package = name in STACK or match["folder"]
    if not is_package or not error.where.startswith(("import ", "transformers ", "trl ")):
        return None
    contracts = api.broken_contracts(facts.contracts, api.versions_of(facts.packages, facts.torch))
    by_pair = ("library-version-clash", "quantisation-library-mismatch")
    installed = facts.packages.get(name)
    if (
        installed is None
        or (match["part"] and next(iter(api.owners(error)), name) != name)
        or any(
            contract.module in error.text for contract in contracts if contract.neighbour == name
        )
        or any(api.pairs_of(check_id, facts) for check_id in by_pair)
    ):
        return None
    cure = api.put_anew(facts.interpreter, facts.torch, name, installed.version)
    return facts.worded(
        "/part-missing", said=match[0], cure=cure, held=installed, module=module, where=error.where
    )


def _leftovers(facts: api.Facts, faults: list[api.BrokenDistribution]) -> api.Finding | None:
    stack = [b for b in faults if b.name.lstrip("~").replace("_", "-").startswith(REMAINS)]
    shown = stack or faults
    if not shown:
        return None
    cases = "/leftovers:stack" if stack else "", "/leftovers"
    names, files = [b.name for b in shown], " ".join(f"'{b.location}/{b.name}'" for b in shown)
    return facts.worded(*cases, names=names, place=shown[0].location, files=files)


@api.check("leftover-library")
def leftover_library(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Find a torch library or a cached extension that lacks a symbol of torch."""
    for part in ("cached", "launcher", "outside", "own"):
        if found := facts.matched(f"/{part}"):
            named: dict[str, Any] = {"symbol": "", "file": "", **found.groupdict()}
            # driver symbols are also missing if no real libcuda is loaded
            open_ = part == "cached" and not named["symbol"].startswith("_Z")
            return facts.worded(
                "" if part == "own" else f"/{part}",
                "/cached:open" if open_ else "",
                said=found[0] if part == "launcher" else "",
                **{**named, "symbol": named["symbol"][:90]},
                folder=named["file"].rpartition("/")[0],
            )
    return None
