"""Read reports of names and values: collect_env of torch, vLLM and SGLang, env commands, banners, issue forms.

Names are recognised anywhere, from any tool; a value counts only if it has the form of its kind, so that prose yields
nothing. If a report states something twice, the first statement counts.
"""

from collections.abc import Iterable

from tunedoctor import facts as kinds
from tunedoctor.model.versions import normalised
from tunedoctor.readers.cards import cards_in, cards_of, gpus
from tunedoctor.readers.host import filled, host, variables
from tunedoctor.readers.lines import in_forms, in_lines
from tunedoctor.readers.merge import NoTorch
from tunedoctor.readers.names import Collected, bare, informative, instead, version, yes_or_no
from tunedoctor.readers.output_rows import search, shape
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.prompts import answers, latest
from tunedoctor.tables.wheels import COMPUTES, cuda_of

_GPU_WORDS = ("cuda", "xpu", "mps", "gpu", "hip", "rocm")


def interpreter(collected: Collected, host: kinds.Host | None) -> list[kinds.Fact]:
    """Return the Interpreter from the first value that is a version of Python."""
    for entry in collected.all("python"):
        match = search("torch.python", instead(entry.value))
        if match is None or (entry.typed and search("torch.prose", match["rest"])):
            continue
        narrow = search("torch.narrow", entry.value) or collected.first("bits") == "32"
        return [
            kinds.Interpreter(
                executable="",
                version=match["version"],
                bits=32 if narrow else 64,
                kind="conda" if search("torch.conda", entry.value) else "unknown",
                machine=("x86_64" if host.rosetta else host.machine) if host else "",
                free_threaded="free-threading" in entry.value,
            )
        ]
    return []


def torch(
    collected: Collected, host: kinds.Host | None, packages: dict[str, str], conda: dict[str, str]
) -> list[kinds.Fact]:
    """Return TorchBuild and Runtime; NoTorch if the text says that torch is absent."""
    build = _build(collected, host, packages, conda)
    facts: list[kinds.Fact] = [build] if build.version else []
    # how a tool that imports torch reports that torch is absent: collect_env, then the others
    words = [bare(entry.value).lower().partition(" (")[0] for entry in collected.all("torch")][:1]
    without_version = not any(version(entry.value) for entry in collected.all("torch"))
    failed = without_version and next(
        (word for word in words if word in ("n/a", "not installed")), ""
    )
    available = _available(collected, host)
    if failed:
        listed = packages or conda or failed == "not installed"
        if listed and "torch" not in packages and not build.version:
            facts.append(NoTorch(why="the report does not list torch", package="torch"))
    elif collected.all("ran", "debug", "torch_cuda", "torch_hip") or available is not None:
        facts.append(
            kinds.Runtime(
                stages=(kinds.Stage(name="import torch", outcome="ok"),),
                torch_version=build.version,
                torch_cuda=build.cuda,
                torch_hip=build.hip,
                gpu_available=available,
                archs=build.archs,
            )
        )
    return facts


def _build(
    collected: Collected, host: kinds.Host | None, packages: dict[str, str], conda: dict[str, str]
) -> kinds.TorchBuild:
    best = packages.get("torch", "")
    versions = [
        v for entry in collected.all("torch") if (v := version(entry.value, whole=entry.typed))
    ]
    for candidate in versions:
        if candidate is versions[0] or ("+" in candidate and candidate.startswith(best)):
            best = candidate
    match = search("torch.label", best)
    label = match[1] if match else ""
    # a plain "CUDA" is torch's if it comes from a script that also printed other values of torch
    keys = ("torch_cuda", "cuda_plain") if collected.all("available") else ("torch_cuda",)
    cuda = collected.value(*(keys[:1] if label else keys)) or cuda_of(label)
    hip = collected.value("torch_hip") or ""
    none = (bare(entry.value).lower() for entry in collected.all(*keys))
    without = best and any(value in ("none", "could not collect", "null") for value in none)
    by_cuda: kinds.Accelerator = "cuda" if cuda or ".nv2" in best else _by_report(collected, host)
    accelerator = "rocm" if hip else COMPUTES.get(label[:2], by_cuda)
    if accelerator == "unknown" and without:
        accelerator = "cpu"
    variant = label or (accelerator if accelerator in ("cpu", "xpu") else "")
    if accelerator == "cuda" and cuda:
        variant = variant or "cu" + cuda.replace(".", "")
    archs = _archs(collected)
    return kinds.TorchBuild(
        version=best,
        cuda=cuda if accelerator == "cuda" else "",
        hip=(hip or label.removeprefix("rocm")) if accelerator == "rocm" else "",
        accelerator=accelerator,
        variant=variant,
        conda=not conda.keys().isdisjoint(("pytorch", "pytorch-gpu", "pytorch-cpu")),
        archs=archs,
        archs_source="report" if archs else "",
    )


def _by_report(collected: Collected, host: kinds.Host | None) -> kinds.Accelerator:
    """Return the accelerator according to the rest of the report, the most certain sign first."""
    if marked := collected.first("torch_kind"):
        return "rocm" if marked == "rocm" else "cuda"
    if host is not None and host.os == "macos":
        return "mps" if host.machine != "x86_64" else "cpu"
    if any(yes_or_no(entry.value) for entry in collected.all("xpu_available")):
        return "xpu"
    gpu_entries = collected.all("gpu", "device_used", "accelerator")
    nvidia = any(card.vendor == "nvidia" for entry in gpu_entries for card in cards_in(entry.value))
    return "cuda" if nvidia and _available(collected, host) else "unknown"


def _available(collected: Collected, host: kinds.Host | None) -> bool | None:
    """Return whether torch sees a GPU; CUDA being False says nothing on an arm64 Mac, whose GPU is MPS."""
    answers = [*_answers(collected)]
    mac = host is not None and host.os == "macos" and host.machine == "arm64"
    if True in answers:
        return True
    return False if answers and not (mac and not collected.all("mps_available")) else None


def _answers(collected: Collected) -> Iterable[bool]:
    for entry in collected.all("available", "xpu_available", "mps_available"):
        answer = yes_or_no(entry.value)
        yield from () if answer is None else (answer,)
    for entry in collected.all("torch"):
        if printed := search("torch.printed", entry.value):
            yield printed[1].lower() not in ("false", "cpu", "na")
    for entry in collected.all("accelerator"):
        value = informative(entry.value).lower()
        if value in _GPU_WORDS or (cards_in(entry.value) and "MiB" not in entry.value):
            yield True
        elif value == "cpu" or bare(entry.value).lower() in ("not available", "n/a"):
            yield False
    if collected.all("device_used", "seen"):
        yield True


def _archs(collected: Collected) -> tuple[str, ...]:
    """Return the compiled architectures; for "-gencode;arch=compute_80,code=sm_80" those after code=."""
    for entry in collected.all("archs"):
        text = " ".join(shape("piece.code").findall(entry.value)) or entry.value
        archs = shape("piece.archs").findall(text)
        if archs:
            return tuple(dict.fromkeys(archs))
    return ()


_LONGEST_LISTED = 2000


def read(paste: Paste) -> list[kinds.Fact]:
    """Return the facts from names with values in these lines; [] if there are none. Never raises."""
    lines = paste.lines
    collected = Collected((*latest(answers(lines)), *in_forms(paste), *in_lines(lines)))
    packages, conda = _listed(paste)
    for key in (*collected.beginning("library "), "torch"):
        name = key.removeprefix("library ")
        versions = (version(entry.value, whole=entry.typed) for entry in collected.all(key))
        if name not in packages and (first := next(filter(None, versions), None)):
            packages[name] = kinds.Distribution(name=name, version=first)
    system = host(collected)
    facts: list[kinds.Fact] = [system] if system else []
    facts += interpreter(collected, system)
    facts += torch(
        collected, system, {name: package.version for name, package in packages.items()}, conda
    )
    cards = cards_of(collected, lines)
    facts += gpus(collected, cards, system) + filled(collected)
    if packages or conda:
        every = tuple(packages.values())
        facts.append(kinds.Packages(distributions=every, conda=conda, complete=False))
    # names of GPUs that torch can see, unless the list is complete
    facts += variables(collected, 0 if collected.all("whole_list") else len(cards))
    # the name of a system alone occurs in any prose, and decides nothing
    tools = collected.all("libc", "windows_build", "wsl_list", "os_release")
    has_details = system and (
        system.kernel or system.machine or system.macos_version or system.model
    )
    idle = not has_details and not tools
    return [] if idle and facts == [system] else facts


def _listed(paste: Paste) -> tuple[dict[str, kinds.Distribution], dict[str, str]]:
    """Return the packages in "[pip3] name==1.0", and name -> build of "[conda] name 1.0 build"."""
    packages: dict[str, kinds.Distribution] = {}
    conda: dict[str, str] = {}
    for hit in paste.each("listed", longest=_LONGEST_LISTED):
        for listed in hit.found.re.finditer(paste.lines[hit.line][:_LONGEST_LISTED]):
            name, installer = normalised(listed["name"]), "pip"
            if listed["how"] == "conda":
                build = (listed["rest"].split() or [""])[0]
                conda.setdefault(name, f"{listed['version']} {build}".strip())
                name, installer = "torch" if name == "pytorch" else name, "conda"
            packages.setdefault(
                name, kinds.Distribution(name, listed["version"], installer=installer)
            )
    return packages, conda
