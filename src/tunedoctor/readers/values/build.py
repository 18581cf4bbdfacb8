"""PyTorch, its interpreter and what it said of the GPU, from what a report says of them."""

import re
from typing import Literal, NamedTuple

from tunedoctor.facts import Fact, Host, Interpreter, Runtime, Stage, TorchBuild
from tunedoctor.lazy import pattern
from tunedoctor.probes.torch_build import conda_build
from tunedoctor.readers.missing import Missing
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.libraries import instead, version_in
from tunedoctor.readers.values.said import Collected, bare, told, yes_or_no

Accelerator = Literal["cuda", "rocm", "xpu", "mps", "cpu", "unknown"]

_LABEL = pattern(r"\+(?:\w+\.)?(cu\d{2,3}|rocm\d[\d.]*\d|xpu|cpu)")
_PRINTED = pattern(r"\((true|false|gpu|cpu|npu|cuda|xpu|mps|na|hpu)\)", re.IGNORECASE)
_BITS = pattern(r"\((\d\d)-?bit", re.IGNORECASE)
_PYTHON = pattern(
    r"\A\W{0,4}(?:Python\s*)?[v(]?(3\.\d{1,2}(?:\.\d{1,2})?|2\.7(?:\.\d{1,2})?)((?:a|b|rc)\d{1,2})?\+?(?P<rest>[\s|(,;\[)'\"`*/].{0,400}|\Z)",
    re.IGNORECASE,
)
_ARCH = pattern(r"\b(?:sm_\d{2,3}[af]?|compute_\d{2,3}|gfx[0-9a-f]{3,5})\b")


class Told(NamedTuple):
    """What decides on the build."""

    version: str
    cuda: str
    hip: str
    accelerator: Accelerator
    ran: bool
    """torch itself gave its version: it was imported."""
    available: bool | None


def interpreter(said: Collected, host: Host | None) -> list[Fact]:
    """Make the Interpreter of the first value that is a version of Python."""
    for one in said.all("python"):
        found = _PYTHON.match(instead(one.value))
        if found is None or (
            one.typed
            and re.match(r"\s*(?!on (?:linux|win|darwin|mac))[a-z]", found["rest"].lower())
        ):
            continue
        text = one.value
        bits = _BITS.search(text)
        old = "[msc v" in text.lower() and "32 bit (intel)" in text.lower()
        lower = text.lower()
        narrow = said.first("bits").strip() == "32"
        return [
            Interpreter(
                executable="",
                version=found[1] + (found[2] or ""),
                bits=32 if (bits and bits[1] == "32") or old or narrow else 64,
                kind="conda"
                if "anaconda" in lower or "conda-forge" in lower or "continuum" in lower
                else "unknown",
                machine=("x86_64" if host.rosetta else host.machine) if host else "",
                free_threaded="free-threading" in lower,
            )
        ]
    return []


def torch(
    said: Collected, host: Host | None, packages: dict[str, str], conda: dict[str, str]
) -> list[Fact]:
    """Make TorchBuild and Runtime; a Missing where torch is told to be absent."""
    known = _told(said, host, packages, conda)
    archs = _archs(said)
    facts: list[Fact] = []
    if known.version:
        label = _LABEL.search(known.version)
        facts.append(
            TorchBuild(
                version=known.version,
                cuda=known.cuda,
                hip=known.hip,
                accelerator=known.accelerator,
                variant=_variant(known, label[1] if label else ""),
                conda=any(name in conda for name in ("pytorch", "pytorch-gpu", "pytorch-cpu")),
                archs=archs,
                archs_source="report" if archs else "",
            )
        )
    failed = _not_imported(said)
    same = bool(
        said.all("platform")
    )  # from 1.8.1 on collect_env asks the pip of its own interpreter
    if failed and "torch" in packages and same:
        stage = Stage(name="import torch", outcome="failed", error="the report could not import it")
        facts.append(Runtime(stages=(stage,)))
    elif (
        failed
        and "torch" not in packages
        and (packages or conda or failed == "not installed")
        and not known.version
    ):
        why = "the report lists no torch"
        facts.append(Missing(kind=TorchBuild.__name__, why=why, package="torch"))
    elif not failed and (known.ran or known.available is not None):
        facts.append(
            Runtime(
                stages=(Stage(name="import torch", outcome="ok"),),
                torch_version=known.version,
                torch_cuda=known.cuda,
                torch_hip=known.hip,
                gpu_available=known.available,
                archs=archs,
            )
        )
    return facts


def _not_imported(said: Collected) -> str:
    """How a tool that asks torch itself says that it has none: "n/a" of collect_env, "not installed" of the others."""
    words = [bare(one.value).lower() for one in said.all("torch") if not one.typed]
    if any(version_in(one.value) for one in said.all("torch")):
        return ""
    return next(
        (w.partition(" (")[0] for w in words if w.partition(" (")[0] in ("n/a", "not installed")),
        "",
    )


def _told(
    said: Collected, host: Host | None, packages: dict[str, str], conda: dict[str, str]
) -> Told:
    best, text = "", ""
    for one in said.all("torch"):
        version = version_in(one.value, whole=one.typed)
        if version and (not best or ("+" in version and version.startswith(best))):
            best, text = version, one.value
    ran = bool(said.all("ran", "debug", "torch_cuda", "torch_hip"))
    version = best or packages.get("torch", "")
    label = _LABEL.search(version)
    built = re.search(r"cuda(\d{1,2}\.\d{1,2})", conda_build(conda))
    printed = ("cuda_plain",) if said.all("available") and not label else ()
    cuda = (
        said.find(_release, "torch_cuda", *printed)
        or _of_label(label[1] if label else "")
        or (built[1] if built else "")
    )
    hip = said.find(_hip, "torch_hip") or ""
    available = _available(said, text, host)
    accelerator = _accelerator(said, version, cuda or "", hip, host, available=available)
    if accelerator == "unknown" and re.search(r"_cpu|cpu_", conda_build(conda)):
        accelerator = "cpu"
    if accelerator == "rocm" and not hip and label:
        hip = label[1].removeprefix("rocm")
    return Told(
        version,
        (cuda or "") if accelerator == "cuda" else "",
        hip if accelerator == "rocm" else "",
        accelerator,
        ran,
        available,
    )


def _release(value: str) -> str | None:
    """Return the CUDA release of "12.4", "10.1.243", "12040" (as cudaRuntimeGetVersion has it)."""
    plain = told(value)
    if found := re.match(r"(?:cuda\s*|v)?(\d{1,2}\.\d{1,2})(?=[.\s,)]|\Z)", plain, re.IGNORECASE):
        return found[1]
    if found := re.fullmatch(r"(\d{1,2})0([0-9])0", plain):
        return f"{found[1]}.{found[2]}"
    return None


def _hip(value: str) -> str | None:
    found = re.match(r"\d{1,2}\.\d{1,2}[\w.-]{0,30}", told(value))
    return found[0] if found else None


def _of_label(label: str) -> str:
    digits = label.removeprefix("cu")
    return f"{digits[:-1]}.{digits[-1]}" if label.startswith("cu") else ""


def _available(said: Collected, text: str, host: Host | None) -> bool | None:
    """Whether torch sees a GPU; False of CUDA alone says nothing on a Mac of arm64, whose GPU is asked for as MPS."""
    answers = [
        v
        for one in said.all("available", "xpu_available", "mps_available")
        if (v := yes_or_no(one.value)) is not None
    ]
    if printed := _PRINTED.search(text):
        word = printed[1].lower()
        if word != "na" and word not in ("npu", "hpu"):
            answers.append(word not in ("false", "cpu"))
        elif word == "na":
            answers.append(False)
    for one in said.all("accelerator"):
        value = told(one.value).lower()
        if value in ("cuda", "xpu", "mps", "gpu", "hip", "rocm") or (
            cards_in(one.value) and "MiB" not in one.value
        ):
            answers.append(True)
        elif value == "cpu" or bare(one.value).lower() in ("not available", "n/a"):
            answers.append(False)
    if said.all("device_used", "seen"):
        answers.append(True)
    if said.all("on_cpu"):
        answers.append(False)
    if any(answers):
        return True
    mac = (
        host is not None
        and host.os == "macos"
        and host.machine == "arm64"
        and not said.all("mps_available")
    )
    return None if not answers or mac else False


def _accelerator(  # noqa: PLR0911, PLR0913  one way out for each sign, the surest first
    said: Collected, version: str, cuda: str, hip: str, host: Host | None, *, available: bool | None
) -> Accelerator:
    label = _LABEL.search(version)
    kind = label[1] if label else ""
    if hip or kind.startswith("rocm"):
        return "rocm"
    if kind == "cpu":
        return "cpu"
    if kind == "xpu" or said.first("torch_xpu"):
        return "xpu"
    if cuda or re.search(r"\.nv\d\d\.\d\d", version):
        return "cuda"
    if marked := said.first("torch_kind"):
        return "rocm" if marked == "rocm" else "cuda"
    if host is not None and host.os == "macos":
        return "mps" if host.machine != "x86_64" else "cpu"
    printed = ("cuda_plain",) if said.all("available") else ()  # a script that asks torch for both
    built = [bare(one.value).lower() for one in said.all("torch_cuda", *printed)]
    if (
        version
        and any(v in ("none", "could not collect", "null") for v in built)
        and not _xpu(said)
    ):
        return "cpu"
    if _xpu(said):
        return "xpu"
    if available and any(
        card.vendor == "nvidia"
        for one in said.all("gpu", "device_used", "accelerator")
        for card in cards_in(one.value)
    ):
        return "cuda"
    return "unknown"


def _xpu(said: Collected) -> bool:
    return any(yes_or_no(one.value) for one in said.all("xpu_available"))


def _variant(known: Told, label: str) -> str:
    if label:
        return label
    if known.accelerator == "cuda" and known.cuda:
        return "cu" + known.cuda.replace(".", "")
    return known.accelerator if known.accelerator in ("cpu", "xpu") else ""


def _archs(said: Collected) -> tuple[str, ...]:
    """Compiled architectures; of "-gencode;arch=compute_80,code=sm_80" what code says."""
    for one in said.all("archs"):
        text = " ".join(re.findall(r"code=(\w{4,12})", one.value)) or one.value
        if found := _ARCH.findall(text):
            return tuple(dict.fromkeys(found))
    return ()
