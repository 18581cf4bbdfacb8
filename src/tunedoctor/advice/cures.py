"""Parts of findings that several checks share: versions, requirements, rows of known_bad.json, AMD GPUs on the bus."""

import re
from collections.abc import Iterable, Mapping, Sequence

from tunedoctor.facts import AmdGpu, Packages, PciBus
from tunedoctor.model.findings import Cure, Finding, advise, pip, set_variable
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Facts
from tunedoctor.model.versions import simplify_specifiers, within
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name
from tunedoctor.tables.known_bad import Broken, KnownBadRow, broken_pairs
from tunedoctor.tables.load import table


def pinned(requirements: dict[str, str]) -> tuple[str, ...]:
    """Return {"peft": ">=0.18.0", "requests": "*"} as pip takes it."""
    return tuple(name + ("" if spec == "*" else spec) for name, spec in requirements.items())


def brief(cause: str) -> str:
    """Return the first clause of a long cause: what follows a semicolon or a full stop is for the table."""
    first = re.split(r";\s|\.\s|, so (?=`)", cause, maxsplit=1)[0].strip().rstrip(".")
    return first if len(first) <= _LONGEST else first[: _LONGEST - 1].rstrip() + "…"


_LONGEST = 160


def together(versions: Mapping[str, str]) -> str:
    """Return "peft 0.17.1 with transformers 5.24.0"; only names if the versions are unknown."""
    packages = [f"{name} {version}".strip() for name, version in versions.items()]
    return (
        " with ".join([packages[0], " and ".join(packages[1:])])
        if len(packages) > 1
        else "".join(packages)
    )


def merged(fixes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Join fixes of one package: ">=1.1.0" and ">=1.3.0" give ">=1.3.0"; what can't be met stays."""
    specifiers: dict[str, list[str]] = {}
    for fix in fixes:
        for name, spec in fix.items():
            specifiers.setdefault(name, []).append(spec if spec != "*" else "")
    joined = {
        name: ",".join(dict.fromkeys(filter(None, specs))) for name, specs in specifiers.items()
    }
    return {name: (simplify_specifiers([spec]) or spec) or "*" for name, spec in joined.items()}


_Fix = tuple[Mapping[str, str], frozenset[str]]
"""Ranges by name, and the libraries whose present release asks for them."""


def lasting(fixes: Sequence[_Fix], packages: Packages | None) -> dict[str, str]:
    """Join fixes. Drop a statement about a release if another fix moves that library to another release."""
    pending, lasting_fixes = list(fixes), list[_Fix]()
    while pending:
        free = [
            candidate
            for candidate in pending
            if not any(
                _moves(other, candidate, packages) for other in pending if other is not candidate
            )
        ] or pending[:1]
        lasting_fixes += free
        pending = [
            candidate
            for candidate in pending
            if candidate not in free
            and not any(_moves(other, candidate, packages) for other in free)
        ]
    return merged(fix for fix, _ in lasting_fixes)


def _moves(mover: _Fix, other: _Fix, packages: Packages | None) -> bool:
    """Return whether `one` changes a release that `other` relies on."""
    return packages is not None and any(
        within(packages.version(name), mover[0][name].replace("*", "")) is False
        for name in other[1] & mover[0].keys()
    )


def pairs_of(check: str, facts: Facts) -> tuple[Broken, ...]:
    """Return the rows of a check that match the facts of a machine."""
    return broken_pairs(check, facts.packages, facts.torch, facts.environment, facts.errors)


def pair_found(pair: Broken, error_text: str = "") -> str:
    """Return what is wrong: versions, why they do not fit, and the error; without versions only the error."""
    both, error_text = together(pair.versions), pair.said or error_text
    if not both:
        return f"the error '{error_text}'" if error_text else brief(pair.row.cause)
    return f"{both}: {brief(pair.row.cause)}" + (
        f"; '{error_text}' was printed" if error_text else ""
    )


def pair_means(row: KnownBadRow) -> str:
    """Return when it fails, and with which error."""
    return f"{table('known_bad')['stages'].get(row.stage, 'the run fails')}: '{row.says}'"


def pair_note(pairs: Sequence[Broken]) -> str:
    """Return what else could be changed: the script, or the other package."""
    script = next((pair.row.note for pair in pairs if pair.row.note), "")
    row = next((pair.row for pair in pairs if pair.row.fix_alt), None)
    if script:
        return f"or change the script: {script}"
    if row is None:
        return ""
    kept_packages, other = " and ".join(row.fix) or "the other", " ".join(pinned(row.fix_alt))
    return f"or keep {kept_packages} and install {other}"


def pair_finding(facts: Facts, pairs: Sequence[Broken], error_text: str = "") -> Finding:
    """Return the finding of the first row, with what cures all."""
    first = pairs[0]
    fix = merged(pair.row.fix for pair in pairs)
    cure = pip(facts.interpreter, "install", *pinned(fix)) if fix else Cure()
    if variable := next(iter(first.row.env), ""):
        cure = set_variable(facts.host, str(variable), None)
    return Finding(
        severity=first.row.severity,
        found=pair_found(first, error_text),
        said=first.said or error_text,
        means=pair_means(first.row),
        cure=cure or advise(first.row.fix_text),
        cure_note=pair_note(pairs),
        evidence=first.row.source,
    )


_CHIP = pattern(r"\A(?:.{0,60}\[AMD/ATI\] )?([A-Z][a-z]{3,}(?: \d\d)?)\b")
_PRODUCT = pattern(r"\[([^\]]{3,80})\]\s*\Z")


def amd_on_bus(bus: PciBus | None) -> tuple[AmdGpu, ...]:
    """Return the cards whose target is known from the PCI bus, which does not show whether the kernel offers them."""
    cards: list[AmdGpu] = []
    for device in bus.of("1002") if bus else ():
        chip, product = _CHIP.match(device.name), _PRODUCT.search(device.name)
        name = product[1] if product else device.name
        by_chip: str = table("gpus")["amd_chips"].get(chip[1], "") if chip else ""
        gfx = (amd_gfx(device.device) if device.device else "") or amd_gfx_by_name(name) or by_chip
        if gfx:
            cards.append(AmdGpu(index=len(cards), gfx=gfx, name=name, slot=device.slot))
    return tuple(cards)
