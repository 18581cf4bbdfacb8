"""Read what the names of container images tell of PyTorch and CUDA, where a report was made inside of one."""

import re
from collections.abc import Iterable

from tunedoctor.facts import Container, Fact, Host, TorchBuild
from tunedoctor.lazy import pattern
from tunedoctor.readers.typed import typed

_PYTORCH = pattern(
    r"(?<![\w./-])(?:docker\.io/)?(?:pytorch/)?pytorch:(?P<torch>\d+\.\d+(?:\.\d+)?)"
    r"(?:-cuda(?P<cuda>\d+\.\d+)(?:-cudnn\d+)?(?:-(?:runtime|devel))?|-(?:runtime|devel))?(?![\w.])"
)
"""Tags of the pytorch/pytorch images. Source: the tag list of pytorch/pytorch on Docker Hub."""
_ROCM = pattern(
    r"(?<![\w.-])rocm/pytorch:(?:rocm(?P<rocm>\d+\.\d+)[\w.]{0,8}_\w{0,60}?)?[\w.]{0,80}?_pytorch_(?:release_)?(?P<torch>\d+\.\d+\.\d+)"
)
"""As in rocm/pytorch:rocm6.2_ubuntu22.04_py3.10_pytorch_release_2.3.0."""
_RUN = pattern(r"(?:^|\s)(?:docker|podman|nvidia-docker) (?:container )?run\s(?P<rest>.{1,1000})$")
_MUSL = pattern(r"^(?:[\w.-]{1,60}/){0,3}(?:alpine\b|[\w.-]{1,60}:[\w.-]{0,40}\balpine)")
"""Alpine, or an official image upon it: python:3.11-alpine. Its C library is musl."""
_TRIES = pattern(r"\b(?:nvidia-smi|rocminfo|rocm-smi|hello-world|ldconfig|nvcc)\b")
_HOST = pattern(r"^\s{0,8}(?:\([\w.-]{1,60}\) )?root@[0-9a-f]{12}:[^#\n]{0,120}#")
"""Docker names a container's host by the first 12 digits of its id."""
_TORCH = pattern(r"\b(?:py)?torch\b(?: version)?[^\w/]{1,30}(\d+\.\d+\.\d+)", re.IGNORECASE)
"""A version that the text states itself; where it is another one, the image was changed."""


def read(lines: list[str]) -> list[Fact]:
    """Return Container and TorchBuild as image names tell them; nothing where no command or file names an image."""
    facts: list[Fact] = []
    if any("root@" in line[:80] and _HOST.match(line) for line in lines):
        facts.append(Container(kind="docker", evidence="the prompt names a container"))
    named = list(_named(lines))
    files = [image for image, of_file in named if of_file]
    if files:
        facts.append(Container(kind="docker", evidence=f"FROM {files[-1][:150]}"))
    if named and _MUSL.match(named[-1][0].split(" as ")[0].strip()):
        facts.append(Host(os="linux", name="Alpine", distro="alpine", libc="musl"))
    build = next((found for image, _ in reversed(named) if (found := torch_of(image))), None)
    if build and not any(
        found[1] != build.version for line in lines for found in _TORCH.finditer(line[:500])
    ):
        facts.append(build)
    return facts


def torch_of(image: str) -> TorchBuild | None:
    """Return the PyTorch build that an image's name states; None where it states none."""
    if found := _ROCM.search(image):
        rocm = found["rocm"] or ""
        return TorchBuild(
            version=found["torch"],
            hip=rocm,
            accelerator="rocm",
            variant=f"rocm{rocm}" if rocm else "",
        )
    if found := _PYTORCH.search(image):
        cuda = found["cuda"] or ""
        return TorchBuild(
            version=found["torch"],
            cuda=cuda,
            accelerator="cuda" if cuda else "unknown",
            variant=f"cu{cuda.replace('.', '')}" if cuda else "",
        )
    return None


def _named(lines: Iterable[str]) -> Iterable[tuple[str, bool]]:
    """Yield what a Dockerfile builds on, and what `docker run` starts, unless it only tries a GPU out."""
    for line in lines:
        if "FROM " not in line and " run " not in line:
            continue
        command = typed(line)
        if command.startswith("FROM "):
            yield command.removeprefix("FROM "), True
        elif (run := _RUN.search(command)) and not _TRIES.search(run["rest"]):
            yield run["rest"], False
