"""A package that the job needs is absent.

What it means
    An installed library of the stack declares a package that is not there, as after pip install --no-deps or pip
    uninstall, or code asks for one that nobody declares: Trainer needs accelerate, 4-bit loading needs bitsandbytes.

How it is found
    Requires-Dist of the stack against the installed packages, for the target's own Python and system; and errors
    that say No module named. Nothing is run.

Cures
    Install what is named. "Please install X" in an error is not always right: a library that fails to import counts
    as not installed too.

When to ignore it
    Libraries that you do not train with are a note.

Seen as
    ModuleNotFoundError: No module named
    requires the SentencePiece library but it was not found in your environment
    Using the `Trainer` with `PyTorch` requires `accelerate
    No package metadata was found for bitsandbytes
    flashinfer_python with minimum required version 0.2.5 is not installed
    RuntimeError: Numpy is not available
"""

import re

from tunedoctor.api import (
    Broken,
    Environment,
    Errors,
    Finding,
    Host,
    Interpreter,
    Packages,
    Shadows,
    TorchBuild,
    Unknown,
    broken_pairs,
    check,
    distribution_of,
    good_set,
    heard,
    known,
    listed,
    merged,
    pattern,
    pinned,
    pip,
    unmet,
    worded,
)

STACK = ("transformers", "datasets", "peft", "trl", "accelerate")
"""What a fine-tune script imports besides torch."""

OPTIONAL = frozenset({"hf-xet", "triton", "pytorch-triton", "setuptools", "cuda-bindings"})
"""Declared, yet training runs without them: faster downloads, torch.compile."""

NO_MODULE = pattern(r"No module named '?([A-Za-z_]\w*(?:\.protobuf)?)'?(?![\w.])")
"""A dotted name is a part of a package that is there."""
NOT_FOUND = pattern(
    r"\w{2,60} requires the (?P<name>PIL|TIMM|Timm|tokenizers|BeautifulSoup|SentencePiece|protobuf|librosa|torch"
    r"vision) library but it was not found"
    r"|The '(?P<dist>[A-Za-z][\w-]{1,40})[^'\n]{0,60}' distribution was not found and is required"
    r"|\b(?P<floor>[A-Za-z][\w-]{1,40}) with minimum required version [\d.]{1,12} is not installed"
)
"""transformers' words for a library that it does not find, those of pkg_resources and of SGLang."""
LIBRARIES = {
    "PIL": "pillow",
    "TIMM": "timm",
    "BeautifulSoup": "beautifulsoup4",
    "GGUF": "gguf",
    "HQQ": "hqq",
}
NO_METADATA = pattern(
    r"(?:No package metadata was found for|PackageNotFoundError:) ([A-Za-z][\w-]*)\s*$",
    re.MULTILINE,
)

IN_PASSING = pattern(
    r"(?:User|Runtime|Import|Future)Warning: [^\n]{0,200}\bNo module named"
    r"|\b(?:WARN(?:ING)?|INFO|DEBUG)\b[^\n]{0,200}\bNo module named"
)
"""A library that goes on without the module, and says so."""
ADVICE = pattern(
    r"(?:requires? (?:the )?`[\w-]{2,40}`[^\n]{0,40}[Yy]ou can install it with:? [`'\"]?pip install "
    r"|, please install ['`\"](?=[\w-]{2,40}['`\"])"
    r"|packages that were not found in your environment: (?=[\w-])"
    r"|is not installed,? {0,2}(?:=>|:|;|\.)? ?(?:[Rr]un|[Uu]se|[Ii]nstall it with) ['`\"]pip install "
    r"|Neither [`'\"](?=[\w-]{2,40}[`'\"] nor [`'\"][\w-]{2,40}[`'\"] is available)"
    r"|[Pp]lease install (?:it |vLLM )?(?:with|via|using):? ['`\"]?pip install "
    r"|[Ii]nstall it (?:with|via|using):? ['`\"]?(?:uv )?pip3? install ['\"]?"
    r"|requires (?:the )?[A-Z]\w{2,30}: ['`\"]?pip install ['\"]?"
    r"|Loading an? [\w-]{2,20} (?:quantized )?model requires (?:the )?`?(?=[\w-]{2,30}`? )"
    r"|requires (?:the )?[\w-]{2,30} library: ['`\"]?pip install |[Ff]ast download using '(?=hf_transfer')"
    r"|please install '(?=Pillow')|(?<=TensorBoardCallback )requires (?=tensorboard )|(?<=WandbCallback )require"
    r"s (?=wandb )"
    r"|You need to install `|A valid (?=HQQ version)|Missing optional dependency '|newer of '(?=[\w-]{2,40}'; it"
    r" is not installed)"
    r"|\b(?=jinja2 must be installed)|`(?=tiktoken` is required to read)|PyTorch,? requires both PyTorch and (?=GGUF)"
    r"|Please install torch and (?=gguf)"
    r"|[Pp]lease install [\w-]{2,40} (?:via|with|using|first):? ['`\"]?pip3? install "
    r"|(?:is required|to be installed)\b[^\n]{0,80}\. (?:Please )?(?:[Rr]un|[Ii]nstall with) ['`\"]?pip3? install "
    r"|[Ii]nstall with:? ['`\"]?pip3? install |requires [\w-]{2,40}(?: library)? \(`pip3? install (?:--upgrade )?['\"]?"
    r"|[Pp]lease install (?:it )?(?:with|using) ['`\"]?pip3? install ['\"]?"
    r"|requires `[\w-]{2,40}`\. Install it with: pip install |need to install `pip install "
    r"|requires (?:the )?(?:`?[\w-]{2,40}`?(?:>=[\w.]{1,12})?(?: package)?: `pip3? install (?:-U )?['\"]?)"
    r"|requires `(?=accelerate>=)|the package (?=flash_attn seems to be not installed)"
    r"|the package for (?=FlashAttention\d? doesn't seem to be installed)"
    r"|Cannot find a working (?=triton installation)"
    r"|Install `[\w-]{2,40}` with `pip install |you need to install the (?=[\w-]{2,40} package\.)"
    r"|is not available\. [Pp]lease install (?=[\w-]{2,40} version )"
    r"|(?:^|[\s:'\"`])(?=[\w-]{2,40}['\"`]? is not available, please install it)|required package '"
    r"|: [`'](?=[\w-]{2,40}[`'] is not installed\.)"
    r"|need to install the following dependencies\[[^\]\n]{2,80}\] using ['`\"]pip install )"
    r"(?:-U )?(?:trl\[(?=vllm\]))?([A-Za-z][\w-]{1,40})"
)
"""A library's own words for what it does not find, without a floor on the version."""
ALONE = 2
"""Errors of a text in which such words are believed."""


@check(
    "missing-dependency",
    "A package that the stack needs is not installed",
    explains=["library-import-fails", "torch-import-crash"],
)
def missing_dependency(  # noqa: PLR0911, PLR0913  declared, told by errors, and what decides the cure
    packages: Packages | Unknown | None,
    torch: TorchBuild | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    host: Host | Unknown | None,
    environment: Environment | Unknown | None,
    errors: Errors | Unknown | None,
    shadows: Shadows | Unknown | None,
) -> Finding | None:
    """Tell what is declared and missing, then what an error says, then which libraries are simply absent."""
    told = known(packages)
    build, python, system = known(torch), known(interpreter), known(host)
    declared = _declared(told, python, system, build)
    hard = {n: who for n, who in declared.items() if n not in OPTIONAL}
    pairs = broken_pairs("missing-dependency", packages, torch, environment, errors)
    hidden = {s.module for s in shadows.shadows} if isinstance(shadows, Shadows) else set()
    asked = {n: t for n, t in _asked_for(told, errors).items() if n not in hard and n not in hidden}
    if hard:
        return _from_declared(hard, interpreter)
    worst = next((p for p in pairs if p.row.severity == "error"), None)
    if worst is not None:
        return _from_row(worst, interpreter)
    if asked:
        return _from_error(asked, interpreter)
    if (
        lacks := _amdsmi(errors, amd=build is not None and build.accelerator == "rocm")
    ) is not None:
        return lacks
    if pairs:
        return _from_row(pairs[0], interpreter)
    absent = [n for n in STACK if told is not None and told.complete and not told.get(n)]
    gone = {b.name for b in told.broken} | told.conda.keys() if told is not None else set()
    absent = [n for n in absent if n not in gone]
    if absent:
        return _from_absent(absent, told, build, interpreter)
    soft = {n: who for n, who in declared.items() if n in OPTIONAL}
    return _from_optional(soft, interpreter) if soft else None


def _declared(
    told: Packages | None,
    interpreter: Interpreter | None,
    host: Host | None,
    torch: TorchBuild | None,
) -> dict[str, tuple[str, str]]:
    """Return missing name -> (who declares it, the requirement); torch and its CUDA wheels are told elsewhere."""
    if told is None:
        return {}
    return {
        one.name: (f"{one.owner.name} {one.owner.version}", one.wanted)
        for one in unmet(told, interpreter, host, torch)
        if not one.installed
        and one.name != "torch"
        and not one.name.startswith(("nvidia-", "cuda-toolkit"))
    }


def _asked_for(told: Packages | None, errors: Errors | Unknown | None) -> dict[str, str]:
    """Return distribution -> what the error says, for known modules whose distribution is not installed."""
    if not isinstance(errors, Errors):
        return {}
    found: dict[str, str] = {}
    for error in errors.errors:
        if IN_PASSING.search(error.text):
            continue
        # an advice to install stands in errors of other causes too: alone, it is believed
        advice = ADVICE.finditer(error.text) if len(errors.errors) <= ALONE else ()
        for match in NOT_FOUND.finditer(error.text):
            library = match["name"] or match["dist"] or match["floor"]
            name = LIBRARIES.get(library) or _distribution(library)
            name = name or library.lower().replace("_", "-")
            if not (told is not None and told.get(name) is not None):
                found.setdefault(name, match[0])
        for match in (
            *NO_MODULE.finditer(error.text),
            *NO_METADATA.finditer(error.text),
            *advice,
        ):
            name = _distribution(match[1]) or _literal(match)
            installed = told is not None and told.get(name) is not None
            if name and name != "torch" and not installed:
                found.setdefault(name, match[0])
    return found


def _literal(match: "re.Match[str]") -> str:
    """Return what an advice has pip install by its name, known or not."""
    if not INSTALLS.search(match[0]) or match.string[match.end() : match.end() + 1] in "+:/.[":
        return ""
    return match[1].lower().replace("_", "-")


INSTALLS = pattern(r"pip3? install (?:-U |--upgrade )?['\"]?[\w-]{2,40}$")


def _distribution(module: str) -> str:
    """Return the distribution of a module, or of a name that an advice to install has."""
    plain = module.replace("-", "_")
    return LIBRARIES.get(module) or distribution_of(plain) or distribution_of(plain.lower())


def _from_declared(
    hard: dict[str, tuple[str, str]], interpreter: Interpreter | Unknown | None
) -> Finding:
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
        cure=pip(interpreter, "install", *(want for _, want in hard.values())),
        cure_note="no reboot",
    )


def _from_row(broken: Broken, interpreter: Interpreter | Unknown | None) -> Finding:
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
        cure=pip(interpreter, "install", *pinned(merged([row.fix]))),
        evidence=row.source,
    )


def _stage(stage: str) -> str:
    return {"train": " when the Trainer is made", "model-load": " when the model is loaded"}.get(
        stage, " stops the run"
    )


def _from_error(asked: dict[str, str], interpreter: Interpreter | Unknown | None) -> Finding:
    names = list(asked)
    return worded(
        "missing-dependency/from-error",
        found=f"the error '{next(iter(asked.values()))}', and {listed(names)} is not among the packages",
        said=next(iter(asked.values())),
        cure=pip(interpreter, "install", *names),
    )


def _amdsmi(errors: Errors | Unknown | None, *, amd: bool) -> Finding | None:
    """Read vLLM's search for a platform: without amdsmi it takes no AMD GPU. Source: vllm/platforms/__init__.py."""
    none = heard(errors, "missing-dependency/none")
    lacks = heard(errors, "missing-dependency/lacks")
    if not none or not lacks or not (amd or heard(errors, "missing-dependency/amdsmi")):
        return None
    return worded(
        "missing-dependency/lacks", said=lacks, settle="" if amd else "rocminfo | grep gfx"
    )


def _from_absent(
    absent: list[str],
    told: Packages | None,
    torch: TorchBuild | None,
    interpreter: Interpreter | Unknown | None,
) -> Finding:
    versions = good_set(
        torch.version if torch else "",
        told.version("transformers") if told else "",
        own.version if (own := known(interpreter)) else "",
    )
    pins = [f"{n}=={versions[n]}" if n in versions else n for n in absent]
    return worded(
        "missing-dependency/from-absent",
        found=f"{listed(absent, 5)} {'is' if len(absent) == 1 else 'are'} not installed in the target",
        means=f"a script that imports {'it' if len(absent) == 1 else 'them'} stops with ModuleNotFoundError",
        cure=pip(interpreter, "install", *pins),
        cure_note=("versions that were tested together; " if versions else "")
        + "about 0.1 GB, no reboot",
    )


def _from_optional(
    soft: dict[str, tuple[str, str]], interpreter: Interpreter | Unknown | None
) -> Finding:
    return worded(
        "missing-dependency/from-optional",
        found="; ".join(f"{who} declares {want}" for who, want in list(soft.values())[:3]),
        cure=pip(interpreter, "install", *(want for _, want in soft.values())),
    )
