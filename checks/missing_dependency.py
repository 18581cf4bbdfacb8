import re  # noqa: TC003  its Match, in annotations

from msgspec import structs

from tunedoctor import api

STACK = ("transformers", "datasets", "peft", "trl", "accelerate")
"""What a fine-tune script imports besides torch."""

OPTIONAL = frozenset({"hf-xet", "triton", "pytorch-triton", "setuptools", "cuda-bindings"})
"""Declared, yet training runs without them: faster downloads, torch.compile."""

LIBRARIES = {"BeautifulSoup": "beautifulsoup4"}

CUDA = ("nvidia-", "cuda-toolkit")
ALONE = 2
"""Errors of a text in which such words are believed."""


@api.check("missing-dependency")
def missing_dependency(facts: api.Facts) -> api.Finding | None:
    """Tell what is declared and missing, then what an error says, then which libraries are simply absent."""
    every = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
    # torch and its CUDA wheels are told elsewhere
    lacks = [one for one in every if not (one.installed or one.name.startswith(CUDA))]
    declared = {one.name: one for one in lacks if one.name != "torch"}
    if hard := [one for name, one in declared.items() if name not in OPTIONAL]:
        return _from_declared(facts, hard)
    pairs = api.pairs_of("missing-dependency", facts)
    hidden = {shadow.module for shadow in facts.shadowed.shadows}
    asked = {name: said for name, said in _asked_for(facts).items() if name not in hidden}
    if asked and not any(pair.row.severity == "error" for pair in pairs):
        said = next(iter(asked.values()))
        key, cure = "missing-dependency/from-error", facts.pip("install", *asked)
        return facts.worded(key, said=said, cure=cure, names=asked)
    amdsmi = None if pairs and pairs[0].row.severity == "error" else _amdsmi(facts)
    if amdsmi or pairs:
        return amdsmi or _from_row(facts, pairs[0])
    gone = {one.name for one in facts.packages.broken} | facts.packages.conda.keys()
    absent = [n for n in STACK if n not in gone and not facts.packages.get(n)]
    if absent and facts.packages.complete:
        return _from_absent(facts, absent)
    return _from_declared(facts, [*declared.values()]) if declared else None


def _asked_for(facts: api.Facts) -> dict[str, str]:
    """Return distribution -> what the error says, for known modules whose distribution is not installed."""
    found: dict[str, str] = {}
    # an advice to install stands in errors of other causes too: alone, it is believed
    kinds = ["not-found", "no-module", "no-metadata"]
    kinds += ["advice"] if len(facts.errors.errors) <= ALONE else []
    for error in facts.errors.errors:
        if api.expression("missing-dependency/in-passing").search(error.text):
            continue
        for kind in kinds:
            for match in api.expression(f"missing-dependency/{kind}").finditer(error.text):
                module = next(filter(None, match.groups()))
                plain = module.replace("-", "_")
                known = api.distribution_of(plain) or api.distribution_of(plain.lower())
                name = LIBRARIES.get(module, known)
                if not name and (kind == "not-found" or _by_its_name(error, match)):
                    name = api.brought_by(module)
                meant = name and (name != "torch" or kind == "not-found")
                if meant and not facts.packages.get(name):
                    found.setdefault(name, match[0])
    return found


def _by_its_name(error: api.ErrorText, match: "re.Match[str]") -> bool:
    """Tell what nobody knows here and is its own distribution: an advice has pip install it, or transformers asks."""
    if api.expression("missing-dependency/installs").search(match[0]):
        return match.string[match.end() : match.end() + 1] not in tuple("+:/.[")
    whole = match.string[match.start() :].startswith(f"No module named '{match[1]}'")
    return whole and error.text.startswith("RuntimeError: Failed to import ")


def _from_declared(facts: api.Facts, missing: list[api.Unmet]) -> api.Finding:
    name = missing[0].name
    optional = name in OPTIONAL
    lacks = (
        f"{one.owner.name} {one.owner.version} requires {one.wanted}, which is not installed"
        for one in missing
    )
    return facts.worded(
        "missing-dependency/optional" if optional else "missing-dependency/declared",
        found=api.clauses(lacks),
        cure=facts.pip("install", *(one.wanted for one in missing)),
        alone="" if missing[1:] else name,
        module=name.replace("-", "_"),
    )


def _from_row(facts: api.Facts, broken: api.Broken) -> api.Finding:
    row, lacks = broken.row, api.listed(broken.row.absent or broken.row.fix)
    first = next(iter(broken.versions), "")
    who = api.listed(f"{name} {version}" for name, version in broken.versions.items())
    return structs.replace(
        api.pair_finding(facts, [broken]),
        title=f"Some code of {first} needs {lacks}" if row.severity == "note" and first else "",
        found=f"the error '{broken.said}'" if broken.said else f"{who} without {lacks}".strip(),
        cure_note="",
    )


def _amdsmi(facts: api.Facts) -> api.Finding | None:
    """Read vLLM's search for a platform: without amdsmi it takes no AMD GPU. Source: vllm/platforms/__init__.py."""
    amd = facts.torch.accelerator == "rocm"
    none = facts.heard("missing-dependency/none")
    lacks = facts.heard("missing-dependency/lacks")
    if not none or not lacks or not (amd or facts.heard("missing-dependency/amdsmi")):
        return None
    settle = "" if amd else "rocminfo | grep gfx"
    return facts.worded("missing-dependency/lacks", said=lacks, settle=settle)


def _from_absent(facts: api.Facts, absent: list[str]) -> api.Finding:
    transformers = facts.packages.version("transformers")
    versions = api.good_set(facts.torch.version, transformers, facts.interpreter.version)
    cure = facts.pip("install", *(f"{n}=={versions[n]}" if n in versions else n for n in absent))
    found = f"not installed in the target: {api.listed(absent, 5)}"
    case = "missing-dependency/from-absent:set" if versions else ""
    return facts.worded("missing-dependency/from-absent", case, found=found, cure=cure)
