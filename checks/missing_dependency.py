import re  # noqa: TC003  its Match, in annotations

from tunedoctor.api import (
    Broken,
    ErrorText,
    Facts,
    Finding,
    broken_pairs,
    check,
    distribution_of,
    expression,
    good_set,
    heard,
    listed,
    merged,
    pinned,
    pip,
    unmet,
    worded,
)

STACK = ("transformers", "datasets", "peft", "trl", "accelerate")
"""What a fine-tune script imports besides torch."""

OPTIONAL = frozenset({"hf-xet", "triton", "pytorch-triton", "setuptools", "cuda-bindings"})
"""Declared, yet training runs without them: faster downloads, torch.compile."""

LIBRARIES = {
    "PIL": "pillow",
    "TIMM": "timm",
    "BeautifulSoup": "beautifulsoup4",
    "GGUF": "gguf",
    "HQQ": "hqq",
}

ALONE = 2
"""Errors of a text in which such words are believed."""


@check("missing-dependency")
def missing_dependency(facts: Facts) -> Finding | None:  # noqa: PLR0911  declared, told by errors, and what decides the cure
    """Tell what is declared and missing, then what an error says, then which libraries are simply absent."""
    declared = _declared(facts)
    hard = {n: who for n, who in declared.items() if n not in OPTIONAL}
    pairs = broken_pairs(
        "missing-dependency", facts.packages, facts.torch, facts.environment, facts.errors
    )
    hidden = {s.module for s in facts.shadowed.shadows}
    asked = {n: t for n, t in _asked_for(facts).items() if n not in hard and n not in hidden}
    if hard:
        return _from_declared(facts, hard)
    worst = next((p for p in pairs if p.row.severity == "error"), None)
    if worst is not None:
        return _from_row(facts, worst)
    if asked:
        return _from_error(facts, asked)
    if (lacks := _amdsmi(facts, amd=facts.torch.accelerator == "rocm")) is not None:
        return lacks
    if pairs:
        return _from_row(facts, pairs[0])
    absent = [
        n for n in STACK if facts.packages and facts.packages.complete and not facts.packages.get(n)
    ]
    gone = {b.name for b in facts.packages.broken} | facts.packages.conda.keys()
    absent = [n for n in absent if n not in gone]
    if absent:
        return _from_absent(facts, absent)
    soft = {n: who for n, who in declared.items() if n in OPTIONAL}
    return _from_optional(facts, soft) if soft else None


def _declared(facts: Facts) -> dict[str, tuple[str, str]]:
    """Return missing name -> (who declares it, the requirement); torch and its CUDA wheels are told elsewhere."""
    if not facts.packages:
        return {}
    return {
        one.name: (f"{one.owner.name} {one.owner.version}", one.wanted)
        for one in unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
        if not one.installed
        and one.name != "torch"
        and not one.name.startswith(("nvidia-", "cuda-toolkit"))
    }


def _asked_for(facts: Facts) -> dict[str, str]:
    """Return distribution -> what the error says, for known modules whose distribution is not installed."""
    if not facts.errors:
        return {}
    found: dict[str, str] = {}
    for error in facts.errors.errors:
        if expression("missing-dependency/in-passing").search(error.text):
            continue
        # an advice to install stands in errors of other causes too: alone, it is believed
        advice = (
            expression("missing-dependency/advice").finditer(error.text)
            if len(facts.errors.errors) <= ALONE
            else ()
        )
        for match in expression("missing-dependency/not-found").finditer(error.text):
            library = match["name"] or match["dist"] or match["floor"]
            name = LIBRARIES.get(library) or _distribution(library)
            name = name or library.lower().replace("_", "-")
            if not (facts.packages.get(name) is not None):
                found.setdefault(name, match[0])
        for match in (
            *expression("missing-dependency/no-module").finditer(error.text),
            *expression("missing-dependency/no-metadata").finditer(error.text),
            *advice,
        ):
            name = _distribution(match[1]) or _literal(match) or _of_library(error, match)
            installed = facts.packages.get(name) is not None
            if name and name != "torch" and not installed:
                found.setdefault(name, match[0])
    return found


def _of_library(error: ErrorText, match: "re.Match[str]") -> str:
    """Return the module itself, which nobody knows here, where transformers or trl could not load a part for it."""
    asked = error.text.startswith("RuntimeError: Failed to import ")
    whole = match.string[match.start() :].startswith(f"No module named '{match[1]}'")
    return match[1].lower().replace("_", "-") if asked and whole else ""


def _literal(match: "re.Match[str]") -> str:
    """Return what an advice has pip install by its name, known or not."""
    if (
        not expression("missing-dependency/installs").search(match[0])
        or match.string[match.end() : match.end() + 1] in "+:/.["
    ):
        return ""
    return match[1].lower().replace("_", "-")


def _distribution(module: str) -> str:
    """Return the distribution of a module, or of a name that an advice to install has."""
    plain = module.replace("-", "_")
    return LIBRARIES.get(module) or distribution_of(plain) or distribution_of(plain.lower())


def _from_declared(facts: Facts, hard: dict[str, tuple[str, str]]) -> Finding:
    first = next(iter(hard))
    return Finding(
        title=f"{first} is not installed, and the stack needs it"
        if len(hard) == 1 and len(first) < 24
        else "",
        found="; ".join(
            f"{who} requires {want}, which is not installed"
            for who, want in list(hard.values())[:3]
        )
        + (f"; and {len(hard) - 3} more" if len(hard) > 3 else ""),
        means=f"the import stops with ModuleNotFoundError: No module named '{first.replace('-', '_')}'",
        cure=pip(facts.interpreter, "install", *(want for _, want in hard.values())),
        cure_note="no reboot",
    )


def _from_row(facts: Facts, broken: Broken) -> Finding:
    row = broken.row
    asks = next(iter(broken.versions), "")
    note = row.severity == "note" and asks and row.absent
    return Finding(
        severity=row.severity,
        title=f"Some code of {asks} needs {row.absent[0]}" if note else "",
        found=f"{listed(f'{n} {v}' for n, v in broken.versions.items())}"
        + (" without " if broken.versions else "without ")
        + listed(row.absent or row.fix)
        if not broken.said
        else f"the error '{broken.said}'",
        said=broken.said,
        means=f"'{row.says}'" + _stage(row.stage),
        cure=pip(facts.interpreter, "install", *pinned(merged([row.fix]))),
        evidence=row.source,
    )


def _stage(stage: str) -> str:
    return {"train": " when the Trainer is made", "model-load": " when the model is loaded"}.get(
        stage, " stops the run"
    )


def _from_error(facts: Facts, asked: dict[str, str]) -> Finding:
    names = list(asked)
    return worded(
        "missing-dependency/from-error",
        found=f"the error '{next(iter(asked.values()))}', and {listed(names)} is not among the packages",
        said=next(iter(asked.values())),
        cure=pip(facts.interpreter, "install", *names),
    )


def _amdsmi(facts: Facts, *, amd: bool) -> Finding | None:
    """Read vLLM's search for a platform: without amdsmi it takes no AMD GPU. Source: vllm/platforms/__init__.py."""
    none = heard(facts.errors, "missing-dependency/none")
    lacks = heard(facts.errors, "missing-dependency/lacks")
    if not none or not lacks or not (amd or heard(facts.errors, "missing-dependency/amdsmi")):
        return None
    return worded(
        "missing-dependency/lacks", said=lacks, settle="" if amd else "rocminfo | grep gfx"
    )


def _from_absent(facts: Facts, absent: list[str]) -> Finding:
    versions = good_set(
        facts.torch.version,
        facts.packages.version("transformers"),
        own.version if (own := facts.interpreter) else "",
    )
    pins = [f"{n}=={versions[n]}" if n in versions else n for n in absent]
    return worded(
        "missing-dependency/from-absent",
        found=f"{listed(absent, 5)} {'is' if len(absent) == 1 else 'are'} not installed in the target",
        means=f"a script that imports {'it' if len(absent) == 1 else 'them'} stops with ModuleNotFoundError",
        cure=pip(facts.interpreter, "install", *pins),
        cure_note=("versions that were tested together; " if versions else "")
        + "about 0.1 GB, no reboot",
    )


def _from_optional(facts: Facts, soft: dict[str, tuple[str, str]]) -> Finding:
    return worded(
        "missing-dependency/from-optional",
        found="; ".join(f"{who} declares {want}" for who, want in list(soft.values())[:3]),
        cure=pip(facts.interpreter, "install", *(want for _, want in soft.values())),
    )
