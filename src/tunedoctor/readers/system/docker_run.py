"""How a container was started: docker and podman commands, compose files, pods, and apptainer."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Container
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown, flat

_RUN = pattern(
    r"(?:^|\s)(?:sudo (?:-\w )?)?(docker|podman|nvidia-docker2?|nerdctl|apptainer|singularity)(?: container)? "
    r"(run|exec|shell|create)\s(.{0,3000})"
)
_NVIDIA = pattern(
    r"--gpus\b|--runtime[= ]\"?nvidia|--device[= ]\"?(?:nvidia\.com/gpu|/dev/nvidia)"
    r"|NVIDIA_VISIBLE_DEVICES=|\s--nv(?:ccli)?\b"
)
_AMD = pattern(r"--device[= ]\"?(?:/dev/kfd|amd\.com/gpu|/dev/dri)|--runtime[= ]\"?amd|\s--rocm\b")
_ENTERED = pattern(
    r"(?:^|\s)(docker|podman|nerdctl|kubectl)(?:[ -]compose| container)? exec\s.{0,300}?\s(?:/\S{0,40}/)?"
    r"(?:(?:ba|z|da)?sh|i?python[\d.]{0,5}|torchrun|accelerate)(?:\s|$)"
)
"""A shell or a program that is started in a container which runs."""
_LEFT = pattern(r"(?:^|[$#>] ?)(?:exit|logout)$")
_LONGEST_PROMPT = 80
_TRIES = pattern(r"\b(?:nvidia-smi|rocm-smi|rocminfo|hello-world|nbody|deviceQuery)\b")
_DESKTOP_WORDS = pattern(r"\bDocker[ -]Desktop\b", re.IGNORECASE)
_POD_WORDS = pattern(r"\b(?:pods?|kubernetes|k8s|k3s|kubectl)\b", re.IGNORECASE)
_IN_A_POD = pattern(
    r"Found no NVIDIA driver on your system|libcuda\.so\.1: cannot open shared|No CUDA GPUs are available"
)
_NO_LIBRARY = "load library failed: libnvidia-ml.so"
_OF_COMPOSE = pattern(
    r"^\s{0,4}[a-zA-Z][\w.-]{0,60}[_-]\d{1,2}\s{1,20}\| \s{0,8}(?:File \"|[A-Za-z.]{1,60}(?:Error|Exception):)"
)
"""A frame or an error below the name of a service, as compose shows what its containers print."""
_PYXIS = pattern(r"\s--container-image[= ]|\benroot start\b")
"""How Slurm and enroot start one."""
_WORD = pattern(r"\b(docker|podman|containers?|kubernetes|k8s|pods?)\b", re.IGNORECASE)
_INSIDE = pattern(
    r"^\s{0,8}(?:\(\w{1,40}\) ?)?\[?[\w.-]{1,40}@(?=[0-9a-f]{0,11}\d)[0-9a-f]{12}[: ][^\n]{0,120}?[#$] "
)
_APPTAINER = pattern(r"^\s{0,8}(?:Singularity|Apptainer)> ?\S")
"""Their prompt inside."""
_COMPOSE = pattern(r"^\s{0,12}services:\s*$")
_IMAGE = pattern(r"^\s{1,12}(?:image|build):")
_COMPOSE_GPU = pattern(
    r"capabilities:\s{0,4}\[\s{0,2}\"?gpu|^\s{0,20}-\s{0,4}\"?gpu\"?\s*$|runtime:\s{0,4}nvidia|/dev/kfd|gpus:\s{0,4}all"
    r"|device_ids:|nvidia\.com/gpu"
)
_POD = pattern(r"^\s{0,20}\"?(nvidia|amd)\.com/gpu\"?:\s{0,4}\"?\d")
_DESKTOP = pattern(r"Operating System: Docker Desktop|\bdesktop-linux\b", re.IGNORECASE)


def container(lines: Sequence[str], shown: Sequence[Shown]) -> Container | None:
    """Return the container that a paste starts, and whether a GPU was asked for; None where it starts none.

    A command that only tries a GPU out (nvidia-smi in a bare image) does not put the rest of a paste inside.
    """
    desktop = any(_DESKTOP.search(line[:LONGEST]) for line in lines if "esktop" in line)
    evidence = "Docker Desktop" if desktop else ""
    for one in reversed(shown):
        run = _RUN.search(flat(one.command))
        if run and run[2] == "run" and not _TRIES.search(run[3]):
            asked = bool(_NVIDIA.search(f" {run[3]}") or _AMD.search(f" {run[3]}"))
            return Container(
                kind=_kind(run[1]),
                evidence=evidence or f"{run[1]} {run[2]}",
                gpu_asked=asked or run[1].startswith("nvidia-docker"),
            )
        if run and run[2] == "exec" and run[1] in ("apptainer", "singularity"):
            asked = bool(_NVIDIA.search(f" {run[3]}") or _AMD.search(f" {run[3]}"))
            return Container(kind="apptainer", evidence=f"{run[1]} exec", gpu_asked=asked)
        if (entered := _ENTERED.search(flat(one.command))) and _goes_on(lines[one.line + 1 :]):
            kind = "kubernetes" if entered[1] == "kubectl" else _kind(entered[1])
            return Container(kind=kind, evidence=f"{entered[1]} exec", gpu_asked=None)
    return _from_file(lines, evidence) or _from_prompt(lines) or _from_words(lines)


def _goes_on(rest: Sequence[str]) -> bool:
    """Tell whether what a paste shows below a command was printed inside of what it entered, to the end."""
    return any(rest) and not any(_LEFT.search(line[-_LONGEST_PROMPT:]) for line in rest)


def _from_prompt(lines: Sequence[str]) -> Container | None:
    """Docker names the host inside by the first 12 hex digits of the container's id."""
    if any("@" in line and _INSIDE.match(line[:LONGEST]) for line in lines):
        return Container(kind="docker", evidence="the prompt's host name")
    if any(map(_APPTAINER.match, lines)):
        return Container(kind="apptainer", evidence="the prompt")
    return None


def _from_words(lines: Sequence[str]) -> Container | None:
    """Take the word of a text on where it failed, if what failed there is what fails without a GPU in a container.

    NVML says Unknown Error where a container's device files were taken away; NVIDIA's container tools find no library
    in Docker Desktop's virtual machine.
    """
    short = [line[:LONGEST] for line in lines]
    if any(_NO_LIBRARY in line for line in short) and any(map(_DESKTOP_WORDS.search, short)):
        return Container(kind="docker", evidence="Docker Desktop", gpu_asked=True)
    if any(map(_IN_A_POD.search, lines)) and any(map(_POD_WORDS.search, short)):
        return Container(kind="kubernetes", evidence="the text", gpu_asked=None)
    if any(map(_IN_A_POD.search, lines)):
        if any(map(_OF_COMPOSE.match, short)):
            return Container(kind="docker", evidence="the text", gpu_asked=None)
        if any(map(_PYXIS.search, short)):
            return Container(kind="enroot", evidence="the text", gpu_asked=None)
    said = next(
        (line for line in lines if "NVML: Unknown Error" in line[:LONGEST]),
        "",
    )
    word = next((w for line in lines if said and (w := _WORD.search(line[:LONGEST]))), None)
    if word is None:
        return None
    return Container(kind=_kind(word[1].lower()), evidence="the text")


def _kind(program: str) -> str:
    return {"podman": "podman", "apptainer": "apptainer", "singularity": "apptainer"}.get(
        program, "docker"
    )


def _from_file(lines: Sequence[str], evidence: str) -> Container | None:
    """Read a compose file or the limits of a pod."""
    short = [line[:LONGEST] for line in lines]
    if any(map(_COMPOSE.match, short)) and any(map(_IMAGE.match, short)):
        asked = any(map(_COMPOSE_GPU.search, short))
        return Container(kind="docker", evidence=evidence or "compose", gpu_asked=asked)
    if any(map(_POD.match, short)):
        return Container(kind="kubernetes", evidence="pod", gpu_asked=True)
    return None
