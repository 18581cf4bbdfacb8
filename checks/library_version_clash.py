from collections.abc import Iterator
from typing import Literal, NamedTuple

from tunedoctor.api import (
    Broken,
    Cure,
    Facts,
    Finding,
    Lacking,
    Misfit,
    Packages,
    Unknown,
    Unmet,
    advise,
    brief,
    broken_contracts,
    broken_pairs,
    check,
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
    pinned,
    pip,
    python,
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


NEWER_CODE = "Take a release of the code that asks for it which knows this torch"


@check("library-version-clash")
def library_version_clash(
    facts: Facts, packages: Packages | Unknown | None
) -> Finding | Unknown | None:
    """Join declared clashes and known pairs; the worst gives severity and title."""
    pairs = broken_pairs(
        "library-version-clash", packages, facts.torch, facts.environment, facts.errors
    )
    covered = [set(pair.versions) for pair in pairs]
    told = known(packages)
    proved = [
        {one.library, one.neighbour}
        for one in broken_contracts(facts.contracts, versions_of(told, facts.torch))
    ]
    declared = [
        one
        for one in _declared(facts, told)
        if not any({one.owner.name, one.name} <= names for names in covered)
        # import-contract-clash tells what a neighbour that is too new no longer has
        and not (
            one.too_new
            and one.owner.name not in CHECKS_AT_IMPORT
            and {one.owner.name, one.name} in proved
        )
    ]
    pip_said = [*(_from_pip(facts) if told is None else []), *_from_resolver(facts)]
    pip_said += [] if pairs or declared or pip_said else _from_check(facts)
    gone = [] if pairs else _given_up(facts)
    lacked = None if pairs or gone else _lacked(facts, told)
    one = None if pairs or gone or lacked else _misfit(facts, packages)
    missed = [_missed(one)] if one else []
    if lacked:
        missed = [_Told("error", lacked.found, lacked.means, lacked.fix, lacked.said)]
    found = sorted(
        [*gone, *missed, *map(_pair, pairs), *(_clash(d, told) for d in declared), *pip_said],
        key=lambda one: ("error", "warning", "note").index(one.severity),
    )
    if not found:
        return _suspected(facts, told) or (packages if isinstance(packages, Unknown) else None)
    severity = found[0].severity
    shown = [one for one in found if one.severity == severity]
    fix = lasting([(one.fix, one.rests_on) for one in shown], told)
    # of names without versions pip leaves what is there, unless it is told to look for newer ones
    newer = () if any(v not in ("", "*") for v in fix.values()) else ("--upgrade",)
    command = pip(facts.interpreter, "install", *newer, *pinned(fix)) if fix else Cure()
    return Finding(
        severity=severity,
        title="The code is written for an older PyTorch"
        if gone
        else _title(pairs, declared, severity, lacked or one),
        found="; ".join(one.found for one in shown[:3])
        + (f"; and {len(shown) - 3} more" if len(shown) > 3 else ""),
        means=shown[0].means,
        said=next((one.said for one in shown if one.said), ""),
        certain=lacked is not None,
        cure=command or advise(next(filter(None, (p.row.fix_text for p in pairs)), NEWER_CODE)),
        cure_note=(lacked.note if lacked else _note(pairs)) if len(shown) == 1 else "",
        evidence=tuple(dict.fromkeys(s for p in pairs for s in p.row.source))[:4],
    )


def _suspected(facts: Facts, packages: Packages | None) -> Finding | None:
    """Suspect the version of a library of which code, that is not named, asks for what it does not have."""
    one = next((m for m in misfits(facts.errors, loosely=True) if m.other not in QUANTISERS), None)
    if one is None or (one.other == "tokenizers" and tokenizer_file(facts.errors, packages)):
        return None
    if first_transformers(one.said.partition("'")[2].partition("'")[0]):
        return None
    return worded(
        "library-version-clash/suspected",
        title=f"{one.other} does not fit the code that calls it"[:60],
        said=one.said,
        cure=advise(OF_TORCH)
        if one.other == "triton"
        else pip(
            facts.interpreter, "install", "--upgrade", *BUILT_HERE.get(one.other, ()), one.other
        ),
        settle=f"{python(facts.interpreter)} -m pip check",
        other=one.other,
    )


OF_TORCH = "Upgrade the library that imports it; the release of triton is torch's own"
BUILT_HERE = {"flash-attn": ("--no-build-isolation",)}
"""Options of pip for what is compiled against the torch that is there."""


class _Told(NamedTuple):
    """One clash in words."""

    severity: Literal["error", "warning", "note"]
    found: str
    means: str
    fix: dict[str, str]
    said: str = ""
    """The error that tells it, "" where versions do."""
    rests_on: frozenset[str] = frozenset()
    """Libraries whose present release asks for the fix, and which the fix leaves."""


def _declared(facts: Facts, told: Packages | None) -> list[Unmet]:
    """Return clashes that metadata declare; those with a check of their own are left out."""
    if told is None:
        return []
    return [
        one
        for one in unmet(told, facts.interpreter, facts.host, facts.torch)
        if one.installed
        and not (one.name == "torch" and (one.owner.name in ELSEWHERE or not one.too_new))
        and not (one.name == "numpy" and release(one.installed)[:1] >= (2,) and _caps_numpy(one))
        and not (one.owner.name == "torch" and one.too_new)
    ]


def _caps_numpy(one: Unmet) -> bool:
    """Tell a requirement that no NumPy 2 meets: numpy-abi tells of it."""
    return within("2.0.0", one.specifier) is False


def _clash(one: Unmet, told: Packages | None) -> _Told:
    new, at_import = one.too_new, one.owner.name in CHECKS_AT_IMPORT
    too_old = not (new or one.owner.name == "torch")
    stops = at_import or (of_stack(one.owner.name, told) if one.own_part else too_old)
    severity: Literal["error", "warning"] = "error" if stops else "warning"
    owner = f"{one.owner.name} {one.owner.version}"
    means = (
        f"import {one.owner.name} stops: '{one.wanted} is required for a normal functioning of this module'"
        if at_import
        else f"import {one.owner.name} stops: it takes no other release of its own part"
        if one.own_part
        else f"{one.owner.name} calls what {one.name} {one.installed} "
        + ("no longer has" if new else "does not have yet")
    )
    return _Told(
        severity,
        f"{owner} requires {one.wanted}, and {one.name} {one.installed} is installed",
        means,
        {one.name: one.specifier},
        rests_on=frozenset({one.owner.name}),
    )


def _from_pip(facts: Facts) -> list[_Told]:
    """Read what pip itself said after an install; torch's companions have a check of their own."""
    found: list[_Told] = []
    for error in facts.errors.errors:
        for owner, version, name, specifier, have in expression(
            "library-version-clash/conflict"
        ).findall(error.text):
            if owner in ELSEWHERE:
                continue
            found.append(
                _Told(
                    "error" if owner in CHECKS_AT_IMPORT else "warning",
                    f"{owner} {version} requires {name}{specifier}, and {name} {have} is installed",
                    f"{owner} calls what {name} {have} does not have",
                    {name: specifier.rstrip(", ")},
                )
            )
    return found


def _from_resolver(facts: Facts) -> Iterator[_Told]:
    """Read what a resolver said of two requirements of one package that exclude each other."""
    for error in facts.errors.errors:
        for owner, version, name, specifier, _, pin in expression(
            "library-version-clash/poetry"
        ).findall(error.text):
            if owner not in ELSEWHERE and within(pin, specifier) is False:
                yield _Told(
                    "error",
                    f"{owner} {version} requires {name}{specifier}, and {name} {pin} is asked for",
                    "the install stops: no set of versions meets both",
                    {name: specifier},
                )
        asked = [*expression("library-version-clash/user-asks").findall(error.text)]
        for owner, version, name, specifier in expression("library-version-clash/depends").findall(
            error.text
        ):
            if owner in ELSEWHERE or name in ("torch", "python", "numpy"):
                continue
            pins = [p.strip("=") for n, p in asked if n == name and p.startswith("==")]
            if any(within(pin, specifier.rstrip(",")) is False for pin in pins):
                yield _Told(
                    "error",
                    f"{owner} {version} requires {name}{specifier.rstrip(',')}, and {name}=={pins[0]} is asked for",
                    "the install stops: no set of versions meets both",
                    {name: specifier.rstrip(", ")},
                )


def _from_check(facts: Facts) -> list[_Told]:
    """Read what a library says that compares the version of its neighbour itself, before anything else runs."""
    one = compares(facts.errors)
    if one is None:
        return []
    means = f"{one.owner or 'a library'} refuses to run with this {one.name}"
    stated = expression("library-version-clash/states").match(one.said)
    fix = {one.name: stated["wanted"] if stated else ""}
    return [_Told("error", f"the error '{one.said}'", means, fix, one.said)]


_SPEC = r"(?:[<>=!~]=?[\w.*+]{1,30},? ?){1,4}"


def _misfit(facts: Facts, packages: Packages | Unknown | None) -> Misfit | None:
    """Return an error of one library's code about another that no other check knows better."""
    for one in misfits(facts.errors):
        if {one.owner, one.other} & QUANTISERS or lacks(one.module, one.name, facts.torch.version):
            continue
        if one.other == "transformers" and first_transformers(one.name):
            continue
        others = ("numpy-abi", "torch-too-old-for-library", "missing-dependency")
        if not any(
            pair.said
            for id_ in others
            for pair in broken_pairs(id_, packages, facts.torch, facts.environment, facts.errors)
        ):
            return one
    return None


QUANTISERS = frozenset({"bitsandbytes", "torchao"})
"""quantisation-library-mismatch tells of them."""


def _given_up(facts: Facts) -> list[_Told]:
    """Tell of code that is written for a torch before the one that gave a name up."""
    one = given_up(facts.errors, facts.torch.version)
    if one is None or one.owner in QUANTISERS:
        return []
    return [
        _Told(
            "error",
            f"the error '{one.said}'" + (f" in the code of {one.owner}" if one.owner else ""),
            f"{one.owner or 'the code that asks for it'} is written for a torch before {one.since}, which gave it up",
            {one.owner: ""} if one.owner else {},
            one.said,
        )
    ]


def _missed(one: Misfit) -> _Told:
    return _Told(
        "error",
        f"the error '{one.said}' in the code of {one.owner}",
        f"{one.owner} calls what this {one.other} no longer has, or does not have yet",
        {one.owner: "", one.other: ""},
        one.said,
    )


def _lacked(facts: Facts, told: Packages | None) -> Lacking | None:
    """Return the first name that an error misses and other releases have; of quantisers another check tells."""
    found = lacking(facts.errors, versions_of(told, facts.torch))
    return next((one for one in found if one.library not in QUANTISERS), None)


def _pair(broken: Broken) -> _Told:
    row = broken.row
    both = together(broken.versions)
    found = f"{both}: {brief(row.cause)}" if both else brief(row.cause)
    if broken.said:
        found = f"the error '{broken.said}'" + (f", with {both}" if both else "")
    stage = {
        "import": "the import stops",
        "train": "training stops",
        "resume": "resuming from a checkpoint stops",
        "model-load": "loading the model stops",
    }.get(row.stage, "the run stops")
    rests_on = frozenset(broken.versions.keys() - row.fix.keys())
    means = f"{stage}: '{row.says}'"
    return _Told(row.severity, found, means, row.fix, broken.said, rests_on)


def _title(
    pairs: tuple[Broken, ...],
    declared: list[Unmet],
    severity: str,
    misfit: Misfit | Lacking | None,
) -> str:
    """Name the pair where that fits into the title."""
    names: list[str] = []
    worst = next((p for p in pairs if p.row.severity == severity), None)
    if worst is not None and len(worst.row.names) == 1:
        title = f"The script does not fit {together(worst.versions) or worst.row.names[0]}"
        return title if len(title) <= 60 else ""
    if worst is not None:
        names = list(worst.row.names)[:2]
    elif isinstance(misfit, Misfit):
        names = [misfit.owner, misfit.other]
    elif misfit is not None:
        names = [misfit.asker or "the script", misfit.library]
    elif declared:
        names = [declared[0].owner.name, declared[0].name]
    title = f"{' and '.join(names)} do not fit together"
    return title if len(names) == 2 and len(title) <= 60 else ""


def _note(pairs: tuple[Broken, ...]) -> str:
    script = next((p.row.note for p in pairs if p.row.note), "")
    other = next((p.row.fix_alt for p in pairs if p.row.fix_alt), {})
    if script:
        return f"or change the script: {script}"
    return f"or, to keep the other: {' '.join(pinned(other))}" if other else ""
