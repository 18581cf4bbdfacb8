import re
from datetime import date

from tunedoctor import api

LAST_TORCHAUDIO = ">=2.11"
"""From here on torchaudio requires no specific torch: its last release also works with newer ones."""
COMPANIONS = ("torchvision", "torchaudio", "xformers")
NIGHTS = 45
"""Maximum days between nightlies of one set: a build that fails is taken from an earlier night."""


_Bad = tuple[str, str]
"""What is wrong with a companion, and the release that would fit, or ""."""


@api.check(
    "torch-companion-mismatch",
    uses=(api.Errors, api.Host, api.Interpreter, api.Packages, api.Runtime, api.TorchBuild),
)
def torch_companion_mismatch(facts: api.Facts) -> api.Finding | None:
    """Compare releases, then declared pins, then labels; an error text decides if these show nothing."""
    # libmamba's message if it has a companion only for another CUDA
    if requested := facts.matched("/conda-cuda"):
        return _report_other_cuda(requested)
    mismatches = _find_mismatches(facts) if facts.torch and facts.packages else {}
    errors = {companion: facts.error_text(f"/{companion}") for companion in COMPANIONS}
    reported = {
        companion: text
        for companion, text in errors.items()
        if text and not _is_of_release(facts, companion)
    }
    conflict = facts.error_text("/conflict")
    if conflict and not mismatches:
        reported.setdefault(conflict.partition(" ")[0], conflict)
    name = next((companion for companion in mismatches if companion != "xformers"), "")
    if reported and not name:
        name = next(iter(reported))
        torch = facts.torch.described if facts.torch else "a torch of another release"
        description = " ".join((name, *facts.packages.version(name).split(), "with", torch))
        found, fit = mismatches.pop(
            name, (description, api.companions(facts.torch.version).get(name, ""))
        )
        mismatches = {name: (f"{found}: the error '{reported[name]}'", fit), **mismatches}
    name = name or next(iter(mismatches), "")
    if not name:
        return None
    plain = mismatches[name][1].partition("+")[0]
    installed = facts.packages.get(name)
    fits = name != "xformers" and facts.torch and plain
    if fits:
        cure = api.reinstall(facts.interpreter, facts.torch, name, plain)
        note = "from the same index as torch; no reboot"
    else:
        cure = facts.pip("uninstall", name)
        note = (
            "text models do not need it; or install the release for this torch, from the same index"
        )
    return api.Finding(
        title=f"{name} was built for another PyTorch",
        severity="warning" if name == "xformers" else "error",
        found="; ".join(
            dict.fromkeys(found for found, _ in (mismatches[name], *mismatches.values()))
        ),
        means=_FAILURES[name],
        cure=cure,
        cure_note=note,
        evidence=(installed.location if installed else "",),
        said=reported.get(name, ""),
    )


_FAILURES = {
    "torchvision": (
        "import transformers and import torchvision fail with 'operator torchvision::nms does not "
        "exist'"
    ),
    "torchaudio": ("import torchaudio fails with 'undefined symbol' or a missing libtorch_cuda.so"),
    "xformers": "xFormers' attention kernels are not loaded; code that needs them fails",
}
"""Companion -> what fails if it was built for another torch."""


def _report_other_cuda(requested: re.Match[str]) -> api.Finding:
    """Report that conda has a companion only for another CUDA version."""
    name, version, cuda = requested["name"], requested["version"], requested["cuda"]
    return api.Finding(
        title=f"conda has this {name} only for another CUDA version",
        means="the installation fails, because no set of packages meets both requirements",
        cure=api.tell(
            f"conda install pytorch {name}={version} pytorch-cuda={cuda} -c pytorch -c nvidia"
        ),
        cure_note=(
            "or do without it: text models do not need it. The channel ends with torch 2.5; pip has "
            "all releases"
        ),
        said=requested[0],
    )


def _find_mismatches(facts: api.Facts) -> dict[str, _Bad]:
    unmet_requirements = api.unmet(
        facts.packages, facts.interpreter, facts.host, facts.torch, names=COMPANIONS
    )
    pins = {
        unmet.owner.name: unmet
        for unmet in unmet_requirements
        if unmet.name == "torch" and unmet.installed
    }
    mismatches: dict[str, _Bad] = {}
    for name in COMPANIONS:
        version = facts.packages.version(name)
        mismatch = _find_mismatch(facts, name, version, pins.get(name)) if version else None
        # a library that imports without an error fits
        stage = facts.runtime.stage(f"import {name}")
        if mismatch is not None and not (stage and stage.outcome == "ok"):
            mismatches[name] = mismatch
    return mismatches


def _is_of_release(facts: api.Facts, name: str) -> bool:
    """Return whether a companion on a Mac is of torch's release; Mac wheels have one variant."""
    own = api.companions(facts.torch.version).get(name, "") if facts.torch else ""
    version = facts.packages.version(name)
    same = bool(own and version) and api.minor(version) == api.minor(own)
    return same and facts.host.os == "macos"


def _find_mismatch(facts: api.Facts, name: str, version: str, pin: api.Unmet | None) -> _Bad | None:
    """Return what is wrong with a companion; None if it fits or that is unknown."""
    torch = facts.torch.version
    if night := _nightly(torch):
        return _find_other_night(name, version, torch, night)
    if re.search(r"\da0\+|\+git[0-9a-f]{6,40}$", torch):
        return None  # built from a commit before the release, by a vendor that builds its companions likewise
    own = api.companions(torch).get(name, "")
    late = all(api.within(version_string, LAST_TORCHAUDIO) for version_string in (version, torch))
    own = version.partition("+")[0] if name == "torchaudio" and late else own
    description = f"{name} {version} with torch {torch}"
    if own and name != "xformers" and api.minor(version) != api.minor(own):
        return f"{description}; this torch needs {name} {own}", own
    # a pin on another patch release of the same minor is harmless
    if pin is not None and not own:
        return f"{description}; it requires {pin.requirement}", own
    label_clash = _describe_label_clash(facts, name, version)
    return (f"{description}: {label_clash}", own or version) if label_clash else None


def _nightly(version: str) -> date | None:
    """Return the night of "2.10.0.dev20250929"; None for a release."""
    match = re.search(r"\.dev(\d{8})", version)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _find_other_night(name: str, version: str, torch: str, night: date) -> _Bad | None:
    """Judge a companion of a nightly: only the build date counts, since version numbers differ."""
    other = _nightly(version)
    if other is not None and abs((other - night).days) <= NIGHTS:
        return None
    if other is None and (name == "xformers" or not re.match(r"\d+\.\d+\.\d+(\+|$)", version)):
        return None
    return f"{name} {version} with the nightly torch {torch}", ""


def _describe_label_clash(facts: api.Facts, name: str, version: str) -> str:
    """Return how two variants are incompatible; "" if they are compatible."""
    torch = facts.torch
    label, mine = _variant_label(version), _variant_label(torch.version)
    plain_linux = (facts.host.os, facts.host.machine) == ("linux", "x86_64")
    if name != "xformers" and mine == "cpu" and (label or (plain_linux and not torch.conda)):
        # without a label it is the default index's Linux build, which links CUDA
        return "" if label == "cpu" else f"it is a {label or 'CUDA'} build and torch is a CPU build"
    if torch.accelerator in ("cuda", "rocm") and label == "cpu":
        return f"it is a CPU build and torch is a {torch.variant or torch.accelerator} build"
    if label and mine and label[:2] != mine[:2]:
        return f"it is built for {label} and torch for {mine}"
    return ""


def _variant_label(version: str) -> str:
    """Return cu126, rocm6.3, cpu or "" of a version; "+pt22cu121" names its torch in front."""
    match = re.search(r"(cu\d+|rocm[\d.]+|cpu|xpu)$", version.partition("+")[2])
    return match[1] if match else ""


SETTLE = 'python -c "import torch; print(torch.__version__)"'


@api.check(
    "torch-too-old-for-library",
    uses=(
        api.AmdGpus,
        api.Environment,
        api.Errors,
        api.Host,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Packages,
        api.PciBus,
        api.TorchBuild,
    ),
)
def torch_too_old_for_library(
    facts: api.Facts, packages: api.Packages | api.Unknown | None
) -> api.Result:
    """Report the highest minimum, hidden or declared, that the build does not meet."""
    pairs = api.pairs_of("torch-too-old-for-library", facts)
    unmet_requirements = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
    torch_requirements = (
        unmet
        for unmet in unmet_requirements
        if unmet.name == "torch" and unmet.owner.name not in COMPANIONS
    )
    floors = (
        (_unmet_minimum(requirement.specifier, requirement.installed), requirement)
        for requirement in torch_requirements
        if requirement.installed
    )
    declared = [(floor, unmet) for floor, unmet in floors if floor]
    worst = pairs[0] if pairs else None
    settle = error_text = ""
    keep: tuple[str, ...] = ()
    if worst is not None and worst.row.severity == "error":
        required, both = worst.row.fix.get("torch", ""), api.together(worst.versions)
        error_text = "" if both else worst.said
        found = f"{both}: transformers treats a torch older than {required.lstrip('>=')} as not installed"
        keep = api.pinned(worst.row.fix_alt)
        # a missing torch, or one whose import fails, gives the same message
        settle = SETTLE if not both and "is required but found" not in worst.said else ""
        means = f"'{worst.row.says}', and from_pretrained fails: no model can be loaded"
    elif declared:
        required, unmet = max(declared, key=lambda f: api.release(f[0].lstrip(">=")))
        owner, torch = unmet.owner, f"torch {unmet.installed}"
        found = (
            f"{owner.name} {owner.version} requires {unmet.requirement}, but {torch} is installed"
        )
        means = f"{owner.name} calls something that {torch} does not have yet"
    elif requested := _requested_minimum(facts):
        error_text, required = requested
        found, means = "", "the import, or the call that needs it, fails"
    elif missed := _missing_name(facts):
        error_text, since = missed
        required, found = f">={since}", f"the error '{error_text}': it is new in torch {since}"
        found += f", but {facts.torch.described} is installed" if facts.torch else ""
        means = "the code that asks for it is written for a newer torch"
    elif worst is not None:
        return _report_refused_torch_load(facts, worst)
    else:
        return packages if isinstance(packages, api.Unknown) else None
    # the nearest release changes least, and is what the other checks of a build choose
    fit = api.torch_install(facts, required, facts.torch.version if facts.torch else "").cure
    down = facts.pip("install", *keep) if keep else api.Cure()
    note = f"or, to keep this torch: {down.command}" if down else "about 3 GB, no reboot"
    return api.Finding(
        found=found if not error_text or "is new in" in found else "",
        said=error_text,
        means=means,
        cure=fit or down or facts.pip("install", f"torch{required}"),
        cure_note=note if fit else "no newer torch fits this Python, driver and GPU",
        evidence=worst.row.source if worst else (),
        settle=settle,
    )


def _report_refused_torch_load(facts: api.Facts, pair: api.Broken) -> api.Finding:
    """Report that transformers does not load pickled checkpoints with this torch."""
    both = api.together(pair.versions)
    return api.Finding(
        title="transformers refuses to torch.load .bin checkpoints",
        severity=pair.row.severity,
        found=f"{both}: transformers refuses torch.load below torch 2.6",
        means=(
            "models in safetensors load; loading a .bin model or resuming from a checkpoint fails "
            "with 'Due to a serious vulnerability issue in torch.load'"
        ),
        cure=api.torch_install(facts, ">=2.6").cure or facts.pip("install", "transformers<4.52"),
        cure_note="or convert the model to safetensors",
        evidence=pair.row.source,
    )


def _requested_minimum(facts: api.Facts) -> tuple[str, str] | None:
    """Return the error that states a minimum torch version, and that minimum."""
    error_text = facts.error_text("/asked")
    for error in facts.errors.errors if not error_text else ():
        raised = error.type and not error.type.endswith("Warning") and "you have" not in error.text
        stated = facts.search("/stated", error.text)
        if raised and stated:
            error_text = stated[0]
            break
    if not error_text:
        return None
    floor = facts.search("/floor", error_text)
    lowest = floor[1] if floor else "2.1.1"
    new_enough = facts.torch and api.at_least(facts.torch.version, lowest)
    return None if new_enough else (error_text, f">={lowest}")


def _missing_name(facts: api.Facts) -> tuple[str, str] | None:
    """Return the error about a public name that this torch lacks, and the release that added it."""
    theirs = facts.expression("/quantisers")
    for error in facts.errors.errors:
        if any(theirs.search(frame.file) for frame in error.frames[-1:]):
            continue
        for missed in facts.expressions("/missed"):
            if match := missed.search(error.text):
                groups = match.groupdict()
                name = groups.get("name") or f"{groups['function']} {groups['keyword']}"
                if since := api.lacks(groups.get("module") or "", name, facts.torch.version):
                    return match[0], since
    return None


def _unmet_minimum(specifier: str, installed: str) -> str:
    """Return the minimum of a specifier that the installed version does not meet, such as ">=2.4", or ""."""
    for part in specifier.split(","):
        floor = part.lstrip(">~=").replace(".*", "")
        if part[:1] in (">", "~", "=") and api.release(installed) < api.release(floor):
            return f">={floor}"
    return ""


ROPE_TYPE_SINCE = "4.43.0"
"""First to read the rope_scaling of Llama 3.1. Source: its release notes."""


@api.check("transformers-too-old-for-model", uses=(api.Errors, api.Packages))
def transformers_too_old_for_model(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Look up the model type in the error; without a release to compare, the error text decides."""
    advised = facts.matched("/update") is not None
    installed = facts.packages.version("transformers")
    rope = facts.error_text("/llama-31")
    if rope and not (installed and api.at_least(installed, ROPE_TYPE_SINCE)):
        return _report_unknown_model(facts, "rope_type", rope[:70], ROPE_TYPE_SINCE, installed)
    if file := api.tokenizer_file(errors, facts.packages):
        return _report_unreadable_tokenizer(facts, file)
    for error in errors.errors:
        if not_yet := facts.search("/not-yet", error.text):
            return _report_unknown_model(facts, not_yet["model"], not_yet[0], "", not_yet["have"])
        model, error_text = _unknown_model(error, advised=advised)
        since = api.first_transformers(model) if model else ""
        # if this release knows the model, something else is wrong
        supported = since and installed and api.at_least(installed, since)
        if model and not supported and (since or advised):
            return _report_unknown_model(facts, model, error_text, since, installed)
    return None


def _unknown_model(error: api.ErrorText, *, advised: bool) -> tuple[str, str]:
    """Return the model type or class that an error names, and the error text."""
    for pattern in api.expressions("transformers-too-old-for-model/named"):
        if match := pattern.search(error.text):
            return match[1], match[0]
    key = api.expression("transformers-too-old-for-model/key").search(error.text)
    in_config = any("configuration_auto" in f.file for f in error.frames)
    # the traceback is cut off: a model type as a missing key while loading a model
    loading = not error.frames or "from_pretrained(" in error.frames[-1].code
    typed = key is not None and loading and any(c in key[1] for c in "_0123456789")
    if key and (advised or in_config or (typed and api.first_transformers(key[1]))):
        return key[1], key[0]
    return "", ""


FITTING_SET = "doctor set gives the versions of peft, trl and accelerate that fit it"


def _report_unknown_model(
    facts: api.Facts, model: str, error_text: str, since: str, installed: str
) -> api.Finding:
    """Report that this transformers does not know a model; `since`: the release that added it, "" if unknown."""
    if since:
        found = f"{model} was added in transformers {since}"
        found += f", but {installed} is installed" if installed else ""
        cure = facts.pip("install", f"transformers>={since}")
    else:
        own = f"transformers {installed}" if installed else "this transformers"
        found = f"{own} does not know {model}"
        found += f", and {installed} is installed" if installed else ""
        cure = facts.pip("install", "--upgrade", "transformers")
    return api.Finding(
        found=f"the error '{error_text}'; {found}",
        means="the model cannot be loaded: its configuration names a type that this release does not know",
        cure=cure,
        cure_note=FITTING_SET,
        said=error_text,
    )


def _report_unreadable_tokenizer(facts: api.Facts, file: api.TokenizerFile) -> api.Finding:
    """Report that the format of a tokenizer.json is newer than the installed tokenizers."""
    return api.Finding(
        title="The model's tokenizer file needs a newer tokenizers",
        found=(
            f"the error '{file.said}'; this format was added in tokenizers {file.tokenizers} and "
            f"transformers {file.transformers}, but {file.have} is installed"
        ),
        means="the tokenizer cannot be loaded: this release cannot read the format of tokenizer.json",
        cure=facts.pip(
            "install", f"transformers>={file.transformers}", f"tokenizers>={file.tokenizers}"
        ),
        cure_note=FITTING_SET,
        said=file.said,
    )
