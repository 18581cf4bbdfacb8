from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tunedoctor.api import (
    Broken,
    Cure,
    Facts,
    Finding,
    GivenUp,
    Lacking,
    Misfit,
    Packages,
    Severity,
    Unknown,
    Unmet,
    advise,
    broken_contracts,
    broken_pairs,
    check,
    clauses,
    compares,
    expression,
    first_transformers,
    given_up,
    known,
    lacking,
    lacks,
    lasting,
    misfits,
    of_stack,
    pair_found,
    pair_means,
    pair_note,
    pinned,
    pip,
    pip_line,
    readings,
    release,
    together,
    tokenizer_file,
    unmet,
    versions_of,
    within,
    worded,
)

ELSEWHERE = frozenset({"torchvision", "torchaudio", "xformers"})
"""What these require of torch is told by torch-companion-mismatch."""
CHECKS_AT_IMPORT = frozenset({"transformers"})
"""It compares its requirements when it is imported and raises ImportError."""
QUANTISERS = frozenset({"bitsandbytes", "torchao"})
"""quantisation-library-mismatch tells of them."""
NEWER_CODE = "Take a release of the code that asks for it which knows this torch"
OF_TORCH = "Upgrade the library that imports it; the release of triton is torch's own"
BUILT_HERE = {"flash-attn": ("--no-build-isolation",)}
"""Options of pip for what is compiled against the torch that is there."""


class _Told(NamedTuple):
    """One clash in words."""

    severity: Severity
    found: str
    means: str
    fix: dict[str, str]
    said: str = ""
    """The error that tells it, "" where versions do."""
    rests_on: frozenset[str] = frozenset()
    """Libraries whose present release asks for the fix, and which the fix leaves."""
    names: Sequence[str] = ()
    """The two that do not fit together."""


@check("library-version-clash")
def library_version_clash(
    facts: Facts, packages: Packages | Unknown | None
) -> Finding | Unknown | None:
    """Join declared clashes and known pairs; the worst gives severity and title."""
    pairs = _pairs(facts, "library-version-clash")
    declared = [_clash(one, facts) for one in _declared(facts, [set(p.versions) for p in pairs])]
    said = [*([] if facts.packages else _from_pip(facts)), *_from_resolver(facts)]
    if not (pairs or declared or said):
        said = [*_from_check(facts)]
    gone, lacked, missed = (None, None, None) if pairs else _from_code(facts)
    code = [_told(one) for one in (gone, lacked, missed) if one]
    found = [*code, *map(_pair, pairs), *declared, *said]
    found.sort(key=lambda one: ("error", "warning", "note").index(one.severity))
    if not found:
        return _suspected(facts) or (packages if isinstance(packages, Unknown) else None)
    severity = found[0].severity
    shown = [one for one in found if one.severity == severity]
    fix = lasting([(one.fix, one.rests_on) for one in shown], known(packages))
    # of names without versions pip leaves what is there, unless it is told to look for newer ones
    newer = () if any(v not in ("", "*") for v in fix.values()) else ("--upgrade",)
    command = pip(facts.interpreter, "install", *newer, *pinned(fix)) if fix else Cure()
    first = next(
        iter([*(one for one in map(_pair, pairs) if one in shown), *code, *declared]), None
    )
    title = f"{' and '.join(first.names)} do not fit together" if first else ""
    if first and len(first.names) == 1:
        title = f"The script does not fit {first.names[0]}"
    return Finding(
        severity=severity,
        title="The code is written for an older PyTorch" if gone else title,
        found=clauses(one.found for one in shown),
        means=shown[0].means,
        said=next((one.said for one in shown if one.said), ""),
        certain=lacked is not None,
        cure=command or advise(next(filter(None, (p.row.fix_text for p in pairs)), NEWER_CODE)),
        cure_note=(lacked.note if lacked else pair_note(pairs)) if len(shown) == 1 else "",
        evidence=tuple(dict.fromkeys(s for p in pairs for s in p.row.source))[:4],
    )


def _pairs(facts: Facts, id_: str) -> tuple[Broken, ...]:
    return broken_pairs(id_, facts.packages, facts.torch, facts.environment, facts.errors)


def _pair(one: Broken) -> _Told:
    names, both = one.row.names[:2], together(one.versions)
    return _Told(
        one.row.severity,
        f"the error '{one.said}', with {both}" if one.said and both else pair_found(one),
        pair_means(one.row),
        one.row.fix,
        one.said,
        frozenset(one.versions.keys() - one.row.fix.keys()),
        names if len(names) > 1 else [both or names[0]],
    )


def _suspected(facts: Facts) -> Finding | None:
    """Suspect the version of a library of which code, that is not named, asks for what it does not have."""
    one = next((m for m in misfits(facts.errors, loosely=True) if m.other not in QUANTISERS), None)
    if one is None or (one.other == "tokenizers" and tokenizer_file(facts.errors, facts.packages)):
        return None
    if first_transformers(one.said.partition("'")[2].partition("'")[0]):
        return None
    options = BUILT_HERE.get(one.other, ())
    return worded(
        "library-version-clash/suspected",
        said=one.said,
        cure=advise(OF_TORCH)
        if one.other == "triton"
        else pip(facts.interpreter, "install", "--upgrade", *options, one.other),
        pip_check=pip_line(facts.interpreter, "check"),
        other=one.other,
    )


def _declared(facts: Facts, covered: list[set[str]]) -> list[Unmet]:
    """Return clashes that metadata declare; those with a check of their own are left out."""
    versions = versions_of(facts.packages, facts.torch)
    proved = [{b.library, b.neighbour} for b in broken_contracts(facts.contracts, versions)]

    def told_elsewhere(one: Unmet) -> bool:
        owner, pair = one.owner.name, {one.owner.name, one.name}
        return (
            any(pair <= names for names in covered)
            or (one.name == "torch" and (owner in ELSEWHERE or not one.too_new))
            or (owner == "torch" and one.too_new)
            # numpy-abi tells what no NumPy 2 meets
            or (
                one.name == "numpy"
                and release(one.installed)[:1] >= (2,)
                and within("2.0.0", one.specifier) is False
            )
            # import-contract-clash tells what a neighbour that is too new no longer has
            or (one.too_new and owner not in CHECKS_AT_IMPORT and pair in proved)
        )

    every = unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
    return [one for one in every if one.installed and not told_elsewhere(one)]


def _clash(one: Unmet, facts: Facts) -> _Told:
    owner, at_import = one.owner.name, one.owner.name in CHECKS_AT_IMPORT
    too_old = not (one.too_new or owner == "torch")
    stops = at_import or (of_stack(owner, facts.packages) if one.own_part else too_old)
    if at_import:
        means = f"import {owner} stops: '{one.wanted} is required for a normal functioning of this module'"
    elif one.own_part:
        means = f"import {owner} stops: it takes no other release of its own part"
    else:
        has = "no longer has" if one.too_new else "does not have yet"
        means = f"{owner} calls what {one.name} {one.installed} {has}"
    return _Told(
        "error" if stops else "warning",
        f"{owner} {one.owner.version} requires {one.wanted}, and {one.name} {one.installed} is installed",
        means,
        {one.name: one.specifier},
        rests_on=frozenset({owner}),
        names=(owner, one.name),
    )


def _from_pip(facts: Facts) -> Iterator[_Told]:
    """Read what pip itself said after an install; torch's companions have a check of their own."""
    for line in readings(facts.errors, "library-version-clash/conflict"):
        owner, version, name, specifier, have = line.groups()
        if owner not in ELSEWHERE:
            yield _Told(
                "error" if owner in CHECKS_AT_IMPORT else "warning",
                f"{owner} {version} requires {name}{specifier}, and {name} {have} is installed",
                f"{owner} calls what {name} {have} does not have",
                {name: specifier.rstrip(", ")},
            )


def _from_resolver(facts: Facts) -> Iterator[_Told]:
    """Read what a resolver said of two requirements of one package that exclude each other."""
    asked = [m.groups() for m in readings(facts.errors, "library-version-clash/user-asks")]
    pairs = [m.groups() for m in readings(facts.errors, "library-version-clash/poetry")]
    for depends in readings(facts.errors, "library-version-clash/depends"):
        pin = next((pin.strip("=") for name, pin in asked if name == depends[3]), "")
        if pin and depends[3] not in ("torch", "python", "numpy"):
            pairs.append((*depends.groups(), "", pin))
    for owner, version, name, specifier, _, pin in dict.fromkeys(pairs):
        wanted = specifier.rstrip(", ")
        if owner not in ELSEWHERE and within(pin, wanted) is False:
            yield _Told(
                "error",
                f"{owner} {version} requires {name}{wanted}, and {name}=={pin} is asked for",
                "the install stops: no set of versions meets both",
                {name: wanted},
            )


def _from_check(facts: Facts) -> Iterator[_Told]:
    """Read what a library says that compares the version of its neighbour itself, before anything else runs."""
    if one := compares(facts.errors):
        means = f"{one.owner or 'a library'} refuses to run with this {one.name}"
        stated = expression("library-version-clash/states").match(one.said)
        fix = {one.name: stated["wanted"] if stated else ""}
        yield _Told("error", f"the error '{one.said}'", means, fix, one.said)


_Code = tuple[GivenUp | None, Lacking | None, Misfit | None]


def _from_code(facts: Facts) -> _Code:
    """Return what an error says of code that another release of a library fits; one of the three at most.

    First a name that torch gave up, then one that other releases have, then what no other check knows better.
    """
    torch = facts.torch.version
    gone = given_up(facts.errors, torch)
    if gone and gone.owner not in QUANTISERS:
        return gone, None, None
    for lack in lacking(facts.errors, versions_of(facts.packages, facts.torch)):
        if lack.library not in QUANTISERS:
            return None, lack, None
    others = ("numpy-abi", "torch-too-old-for-library", "missing-dependency")
    for one in misfits(facts.errors):
        too_old = one.other == "transformers" and first_transformers(one.name)
        if too_old or {one.owner, one.other} & QUANTISERS or lacks(one.module, one.name, torch):
            continue
        if not any(pair.said for id_ in others for pair in _pairs(facts, id_)):
            return None, None, one
    return None, None, None


def _told(one: GivenUp | Lacking | Misfit) -> _Told:
    error = f"the error '{one.said}'"
    match one:
        case GivenUp(owner=owner):
            who = owner or "the code that asks for it"
            means = f"{who} is written for a torch before {one.since}, which gave it up"
            found = error + (f" in the code of {owner}" if owner else "")
            return _Told("error", found, means, {owner: ""} if owner else {}, one.said)
        case Lacking():
            names = (one.asker or "the script", one.library)
            return _Told("error", one.found, one.means, one.fix, one.said, names=names)
        case Misfit():
            means = f"{one.owner} calls what this {one.other} no longer has, or does not have yet"
            fix = {one.owner: "", one.other: ""}
            found = f"{error} in the code of {one.owner}"
            return _Told("error", found, means, fix, one.said, names=(one.owner, one.other))
