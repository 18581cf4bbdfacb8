from collections.abc import Iterable

from tunedoctor import api


@api.check("import-contract-clash")
def import_contract_clash(
    facts: api.Facts, packages: api.Packages | api.Unknown | None
) -> api.Result:
    """Tell of broken contracts, but for pairs of which library-version-clash knows more: rows, what is declared."""
    versions = api.versions_of(facts.packages, facts.torch)
    covered = [{*one.versions} for one in api.pairs_of("library-version-clash", facts)]
    every = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
    covered += [
        {one.owner.name, one.name}
        for one in every
        if not one.too_new or one.owner.name == "transformers"
    ]
    # broken-install tells of these, and torch-missing of a torch that is not there
    damaged = {one.name for one in facts.packages.broken}
    left = [
        one
        for one in api.broken_contracts(facts.contracts, versions)
        if not any({one.library, one.neighbour} <= names for names in covered)
        and damaged.isdisjoint({one.library, one.neighbour})
        and (one.kind, one.module) != ("missing", "torch")
    ]
    if not left:
        return packages if isinstance(packages, api.Unknown) else None
    stops = [one for one in left if one.kind != "keyword"]
    main = [one for one in stops if api.needed_library(one.led_by or one.library)]
    shown = main or stops or left
    first = shown[0]
    pairs = list(dict.fromkeys((one.library, _named(one)) for one in shown))
    # of a labelled build the index is not told: it takes the way of releases
    installed = ((name, versions.get(name, "+")) for one in shown for name in one.altered)
    altered = {name: version for name, version in installed if "+" not in version}
    if altered:
        # other files than the release's: no other release is needed
        options = ["--force-reinstall", "--no-deps"]
        wanted = {name: f"=={version}" for name, version in altered.items()}
    else:
        wanted = _change(facts, shown, versions)
        newer = any(spec == "*" and name in versions for name, spec in wanted.items())
        options = ["--upgrade"] if newer else []
    case = "altered" if altered else "missing" if first.kind == "missing" else "clash"
    return facts.worded(
        f"import-contract-clash/{case}",
        f"import-contract-clash:{first.kind}",
        "import-contract-clash",
        severity="error" if main else "warning",
        cure=facts.pip("install", *options, *api.pinned(wanted)),
        evidence=tuple(f"{one.file} line {one.line}" for one in shown if one.file)[:3],
        pairs=api.clauses(_found(shown, pair, versions) for pair in pairs),
        altered=next(iter(altered), ""),
        files=api.listed(altered, 2),
        first=first,
        other=pairs[0][1],
        call=first.module.rpartition(".")[2],
        where=first.within or f"the import of {first.led_by or first.library}",
    )


def _named(one: api.BrokenContract) -> str:
    """Return the distribution that brings what is asked."""
    return one.neighbour or api.brought_by(one.module.partition(".")[0])


def _found(
    shown: Iterable[api.BrokenContract], pair: tuple[str, str], versions: dict[str, str]
) -> str:
    some = [one for one in shown if (one.library, _named(one)) == pair]
    first = some[0]
    who = api.together({first.library: versions.get(first.library, "")})
    what = api.listed((one.name or one.module for one in some), 2)
    whom = f"{pair[1]} {versions.get(pair[1], '')}".strip()
    place = f" from {first.module}" if first.name else ""
    kinds = {
        "missing": f"{who} imports {first.module}, which is not installed and not declared",
        "unreadable": f"{first.file} of {who} cannot be imported: {first.name}",
        "keyword": f"{who} passes {what} to {first.module}, which {whom} does not take",
    }
    return kinds.get(first.kind, f"{who} imports {what}{place}, which {whom} does not have")


def _change(
    facts: api.Facts, shown: Iterable[api.BrokenContract], versions: dict[str, str]
) -> dict[str, str]:
    """Return what to install: what is missing, what keeps the contract, else what rows of known errors say."""
    change: dict[str, str] = {}
    for one in shown:
        if one.kind == "missing":
            change[api.distribution_of(one.module) or one.library] = "*"
            continue
        fits = api.contract_cure(one, versions)
        if one.kind == "module" and "*" in fits.values():  # no release is known to fit
            text = f"ModuleNotFoundError: No module named '{one.module}'"
            said = api.Errors(errors=(api.ErrorText(text=text),))
            rows = api.broken_pairs(
                "library-version-clash", facts.packages, facts.torch, facts.environment, said
            )
            told = (r.row.fix for r in rows if r.said and one.neighbour in r.row.fix)
            fits = next(told, fits)
        change |= fits
    return change
