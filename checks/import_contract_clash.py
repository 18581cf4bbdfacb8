from collections.abc import Iterable

from tunedoctor.api import (
    BrokenContract,
    Errors,
    ErrorText,
    Facts,
    Finding,
    Packages,
    Unknown,
    broken_contracts,
    broken_pairs,
    check,
    contract_cure,
    distribution_of,
    known,
    listed,
    needed_library,
    pinned,
    pip,
    together,
    unmet,
    versions_of,
)


@check("import-contract-clash")
def import_contract_clash(
    facts: Facts, packages: Packages | Unknown | None
) -> Finding | Unknown | None:
    """Tell of broken contracts, but for pairs of which library-version-clash knows more: rows, what is declared."""
    told = known(packages)
    versions = versions_of(told, facts.torch)
    rows = broken_pairs(
        "library-version-clash", packages, facts.torch, facts.environment, facts.errors
    )
    covered = [set(one.versions) for one in rows]
    covered += [
        {one.owner.name, one.name}
        for one in (unmet(told, facts.interpreter, facts.host, facts.torch) if told else ())
        if not one.too_new or one.owner.name == "transformers"
    ]
    left = [
        one
        for one in broken_contracts(facts.contracts, versions)
        if not any({one.library, one.neighbour} <= names for names in covered)
        and not (told and _damaged(one, told))
        and (one.kind, one.module) != ("missing", "torch")  # torch-missing tells
    ]
    if not left:
        return next((one for one in (packages,) if isinstance(one, Unknown)), None)
    stops = [one for one in left if one.kind != "keyword"]
    main = [one for one in stops if needed_library(one.led_by or one.library)]
    shown = main or stops or left
    first = shown[0]
    pairs = list(dict.fromkeys((one.library, one.neighbour or _named(one)) for one in shown))
    # of a labelled build the index is not told: it takes the way of releases
    found = ((n, versions.get(n, "+")) for one in shown for n in one.altered)
    if altered := {name: version for name, version in found if "+" not in version}:
        return _not_theirs(facts, altered, _found(shown, pairs[0], versions), first)
    change = _change(facts, shown, versions, packages)
    newer = ("--upgrade",) if any(s == "*" and n in versions for n, s in change.items()) else ()
    title = f"{first.library} and {pairs[0][1]} do not fit together"
    if first.kind == "missing":
        title = f"{first.library} needs {first.module}, which is not installed"
    return Finding(
        severity="error" if main else "warning",
        title="" if len(title) > 60 else title,
        found="; ".join(_found(shown, pair, versions) for pair in pairs[:3])
        + (f"; and {len(pairs) - 3} more" if len(pairs) > 3 else ""),
        means=f"{first.within or f'the import of {first.led_by or first.library}'} stops: '{_says(first)}'",
        cure=pip(facts.interpreter, "install", *newer, *pinned(change)),
        cure_note=f"or, to keep {first.library}, another {first.neighbour}"
        if first.neighbour
        else "",
        evidence=tuple(f"{one.file} line {one.line}" for one in shown if one.file)[:3],
    )


def _not_theirs(
    facts: Facts, altered: dict[str, str], found: str, first: BrokenContract
) -> Finding:
    """Tell that files of a release were written over: no other release is needed."""
    name = next(iter(altered))
    title = f"Files of {name} are not those of its release"
    pins = map("==".join, altered.items())
    return Finding(
        title=title if len(title) <= 60 else "",
        found=f"{found}; a file of {listed(altered, 2)} is not the one that its RECORD names",
        means=f"{first.within or f'the import of {first.library}'} stops: '{_says(first)}'",
        cure=pip(facts.interpreter, "install", "--force-reinstall", "--no-deps", *pins),
        cure_note="the same releases, put in anew; something else wrote over their files",
        severity="error" if needed_library(first.library) else "warning",
        evidence=(f"{first.file} line {first.line}",) if first.file else (),
    )


def _damaged(one: BrokenContract, packages: Packages) -> bool:
    """Tell what broken-install tells."""
    return not {b.name for b in packages.broken}.isdisjoint({one.library, one.neighbour})


def _named(one: BrokenContract) -> str:
    """Return the distribution that brings what is asked."""
    top = one.module.partition(".")[0]
    return one.neighbour or distribution_of(top) or top.replace("_", "-").lower()


def _found(shown: Iterable[BrokenContract], pair: tuple[str, str], versions: dict[str, str]) -> str:
    some = [one for one in shown if (one.library, one.neighbour or _named(one)) == pair]
    first = some[0]
    who = together({first.library: versions.get(first.library, "")})
    what = listed((one.name or one.module for one in some), 2)
    if first.kind == "missing":
        return f"{who} imports {first.module}, which is not installed and not declared"
    if first.kind == "unreadable":
        return f"{first.file} of {who} cannot be imported: {first.name}"
    whom = f"{pair[1]} {versions.get(pair[1], '')}".strip()
    if first.kind == "keyword":
        return f"{who} passes {what} to {first.module}, which {whom} does not take"
    place = f" from {first.module}" if first.name else ""
    return f"{who} imports {what}{place}, which {whom} does not have"


def _says(one: BrokenContract) -> str:
    if one.kind == "name":
        return f"ImportError: cannot import name '{one.name}' from '{one.module}'"
    if one.kind == "unreadable":
        return one.name
    if one.kind == "keyword":
        call = one.module.rpartition(".")[2]
        return f"TypeError: {call}() got an unexpected keyword argument '{one.name}'"
    return f"ModuleNotFoundError: No module named '{one.module}'"


def _change(
    facts: Facts,
    shown: Iterable[BrokenContract],
    versions: dict[str, str],
    packages: Packages | Unknown | None,
) -> dict[str, str]:
    """Return what to install: what is missing, what keeps the contract, else what rows of known errors say."""
    change: dict[str, str] = {}
    for one in shown:
        if one.kind == "missing":
            change[distribution_of(one.module) or one.library] = "*"
            continue
        fits = contract_cure(one, versions)
        if "*" in fits.values():  # no release is known to fit
            said = Errors(errors=(ErrorText(text=_says(one)),))
            rows = broken_pairs(
                "library-version-clash", packages, facts.torch, facts.environment, said
            )
            told = (r.row.fix for r in rows if r.said and one.neighbour in r.row.fix)
            fits = next(told, fits)
        change.update(fits)
    return change
