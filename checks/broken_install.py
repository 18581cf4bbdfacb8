import re

from tunedoctor.api import (
    BrokenDistribution,
    Cure,
    Facts,
    Finding,
    Gone,
    Packages,
    Unknown,
    broken_contracts,
    broken_pairs,
    check,
    companion_install,
    distribution_of,
    expression,
    known,
    listed,
    metadata_gone,
    pip,
    python,
    same_torch,
    tell,
    torch_install,
    versions_of,
    worded,
)

WHAT = {
    "code missing": "its code is missing",
    "files missing": "files are missing",
    "no metadata": "its metadata are missing",
    "damaged metadata": "its metadata are damaged",
    "no version": "its metadata state no version",
    "doubled": "two versions of its metadata lie in one folder",
    "leftover": "remains of an interrupted upgrade",
}
STACK = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "triton", "numpy", "transformers", "tokenizers"),
        *("huggingface-hub", "safetensors", "peft", "trl", "accelerate", "datasets", "pyarrow"),
        *("pandas", "bitsandbytes", "sentencepiece", "flash-attn", "xformers", "deepspeed"),
        *("torchao", "unsloth", "liger-kernel", "tqdm", "pyyaml", "requests", "regex", "psutil"),
        *("packaging", "filelock", "jinja2", "sympy", "networkx", "fsspec", "typing-extensions"),
        *("mpmath", "dill", "multiprocess", "xxhash", "httpx", "pillow", "setuptools"),
    }
)
"""The stack and what it imports."""

REMAINS = tuple(sorted(name[1:] for name in STACK))
UV_READ = expression("broken-install/uv-read")


@check("broken-install")
def broken_install(facts: Facts, packages: Packages | Unknown | None) -> Finding | Unknown | None:
    """Take the worst fault of the stack; leftovers of others are a note."""
    there = known(packages)
    faults = sorted(there.broken if there else (), key=lambda b: [*WHAT].index(b.problem))
    real = [b for b in faults if b.problem != "leftover" and _of_stack(b, there)]
    if real:
        first = real[0]
        version = there.version(first.name) if there is not None else ""
        cure = _reinstall(facts, first.name, version)
        if first.name == "torch":
            if (build := facts.torch) or version:
                release = build.version if build else version
                label = build.variant if build else version.partition("+")[2]
                cure = same_torch(facts.interpreter, release, label)
            if not version:
                fit = torch_install(facts)
                cure = fit.cure.with_flag("--force-reinstall") or cure
        return Finding(
            title=f"{first.name} is not whole: {WHAT[first.problem]}"
            if len(first.name) + len(WHAT[first.problem]) < 45
            else "",
            found=_told(real),
            means=f"import {first.name.replace('-', '_')} stops, or what imports it does",
            cure=cure,
            cure_note="end every Python that uses this environment first",
            evidence=tuple(dict.fromkeys(f"{b.location}/{b.detail.split(',')[0]}" for b in real))[
                :4
            ],
        )
    said = (
        _from_errors(facts, there)
        or (
            (gone := metadata_gone(facts.errors, facts.typed, replaced=False))
            and _gone(facts, gone)
        )
        or _own_part(facts)
        or _part_missing(facts, packages)
    )
    if said is not None:
        return said
    if isinstance(packages, Unknown):
        return packages
    return _leftovers([b for b in faults if b.problem == "leftover"])


def _of_stack(one: BrokenDistribution, packages: Packages | None) -> bool:
    """Tell whether the stack imports it; doubled metadata of which conda is the owner are common and harmless."""
    if one.name not in STACK:
        return False
    conda = packages.conda if packages is not None else {}
    return not (one.problem == "no metadata" and one.name in conda)


def _told(faults: list[BrokenDistribution]) -> str:
    texts = [f"{b.name}: {WHAT[b.problem]} ({b.detail}) in {b.location}" for b in faults[:3]]
    return "; ".join(texts) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")


def _reinstall(facts: Facts, name: str, version: str) -> Cure:
    plain = version.partition("+")[0]
    if name in ("torchvision", "torchaudio") and facts.torch and plain:
        return companion_install(facts.interpreter, facts.torch, name, plain)
    pin = f"{name}=={plain}" if plain else name
    return pip(facts.interpreter, "install", "--force-reinstall", "--no-deps", pin)


def _from_errors(facts: Facts, packages: Packages | None) -> Finding | None:
    for error in facts.errors.errors:
        places = (
            expression("broken-install/cut-file"),
            expression("broken-install/no-record"),
            expression("broken-install/bad-entry"),
            expression("broken-install/busy"),
        )
        cut = next((found for one in places if (found := one.search(error.text))), None)
        if cut and (named := distribution_of(cut[1]) or _whole(cut[1].lower())) in STACK:
            return worded(
                "broken-install/cut-file", said=cut[0], interpreter=facts.interpreter, named=named
            )
        part = expression("broken-install/compiled").search(error.text) or UV_READ.search(
            error.text
        )
        if part:
            return _cut_short(facts, part, error.where, packages)
        half = expression("broken-install/invalid").search(error.text)
        found = expression("broken-install/none-found").search(error.text) or half
        if not found:
            continue
        name = _whole(found[1].lower().replace("_", "-")) if found is half else found[1]
        if found is half and name not in STACK:
            continue
        if found is half and (
            facts.torch if name == "torch" else packages and packages.version(name)
        ):
            return _left_beside(facts, name, found[0])
        case = "half" if found is half else "no-version"
        keys = ("broken-install/half-removed", f"broken-install/half-removed:{case}")
        return worded(*keys, said=found[0], interpreter=facts.interpreter, name=name)
    return None


def _gone(facts: Facts, one: Gone) -> Finding:
    """Tell of metadata that are not there, which stop pip for every package, not this one alone."""
    return worded(
        "broken-install/gone",
        said=one.said,
        interpreter=facts.interpreter,
        name=one.name,
        version=one.version,
    )


def _left_beside(facts: Facts, name: str, said: str) -> Finding:
    """Tell of remains beside a package that is whole: pip passes them over and says so at each run."""
    return worded(
        "broken-install/left-beside",
        said=said,
        interpreter=facts.interpreter,
        name=name,
        rest=name[1:].replace("-", "_"),
    )


def _own_part(facts: Facts) -> Finding | None:
    """Find a package whose own file imports a part of it that is not there: files of two releases are mixed."""
    for error in facts.errors.errors:
        missing = expression("broken-install/own-part").search(error.text)
        last = error.frames[-1].file if error.frames else ""
        folder = expression("broken-install/of-package").search(last)
        if missing is None or folder is None or folder[1] != missing[1]:
            continue
        name = distribution_of(missing[1]) or missing[1].lower().replace("_", "-")
        if name not in STACK or name in ("torch", "numpy"):
            continue
        return worded(
            "broken-install/own-part", said=missing[0], interpreter=facts.interpreter, name=name
        )
    return None


def _whole(name: str) -> str:
    """Return the name of the stack that pip's ~ has taken the first letter from, or the name as it is."""
    return next((n for n in sorted(STACK) if n[1:] == name), name)


def _cut_short(facts: Facts, part: re.Match[str], where: str, packages: Packages | None) -> Finding:
    """Tell of a compiled part that is not there, or of metadata that uv cannot read."""
    named = {key: value for key, value in part.groupdict().items() if value}
    module = named.get("package") or named.get("torch") or named.get("other") or named.get("mac")
    module = (
        module or named.get("from", "").partition(".")[0] or ("numpy" if "numpy" in named else "")
    )
    module = module or next((group for group in part.groups() if group), "")
    name = distribution_of(module) or module.lower().replace("_", "-")
    # an import that the doctor ran itself in an environment that holds it leaves nothing open
    own = where.startswith("import ") and packages is not None and packages.version(name)
    sure = own or UV_READ.pattern == part.re.pattern
    said = " ".join(part[0].split())[:140]
    return worded(
        "broken-install/cut-short",
        said=said,
        interpreter=facts.interpreter,
        settle="" if sure else f"{python(facts.interpreter)} -m pip show --files {name}",
        name=name,
    )


def _leftovers(faults: list[BrokenDistribution]) -> Finding | None:
    if not faults:
        return None
    stack = [b for b in faults if b.name.lstrip("~").replace("_", "-").startswith(REMAINS)]
    shown = stack or faults
    first = shown[0]
    return worded(
        "broken-install/leftovers",
        severity="warning" if stack else "note",
        found=f"{listed(b.name for b in shown)} in {first.location}",
        cure=tell("rm -r " + " ".join(f"'{b.location}/{b.name}'" for b in shown)),
        evidence=(first.location,),
    )


def _part_missing(facts: Facts, packages: Packages | Unknown | None) -> Finding | None:
    """Find a part of a package that a run missed and that no pair of versions accounts for.

    Only of a stage of the doctor's own: a pasted log says little of what is installed.
    """
    if not isinstance(packages, Packages) or not packages.complete:
        return None
    for error in facts.errors.errors:
        found = expression("broken-install/part").search(error.text)
        module = (found["part"] or found["folder"]) if found else ""
        name = distribution_of(module) or module.lower().replace("_", "-")
        if not found or packages.get(name) is None:
            continue
        # a part that lacks can be of another version; a folder without its code is never meant
        if name not in STACK and not found["folder"]:
            continue
        if not error.where.startswith(("import ", "transformers ", "trl ")):
            continue
        clashes = ("library-version-clash", "quantisation-library-mismatch")
        if any(broken_pairs(one, packages, facts.torch, None, facts.errors) for one in clashes):
            continue
        asked = broken_contracts(facts.contracts, versions_of(packages, facts.torch))
        if any(one.module in error.text for one in asked if one.neighbour == name):
            continue
        version = packages.version(name)
        return worded(
            "broken-install/part-missing",
            said=found[0],
            cure=_reinstall(facts, name, version),
            name=name,
            version=version,
            module=module,
            where=error.where,
        )
    return None
