"""Read what the names of container images tell of PyTorch and CUDA, where a report was made inside of one."""

import re
from collections.abc import Iterable

from tunedoctor.facts import Container, Fact, Host, TorchBuild
from tunedoctor.lazy import pattern
from tunedoctor.readers.typed import typed
from tunedoctor.tables.load import table

_RUN = pattern(
    r"(?:^|\s)(?:docker|podman|nvidia-docker) (?:container )?run\s"
    r"(?!.{0,1000}\b(?:nvidia-smi|rocminfo|rocm-smi|hello-world|ldconfig|nvcc)\b)(?P<rest>.{1,1000})$"
)
"""A run that does not only try a GPU out."""
_MUSL = pattern(r"^(?:[\w.-]{1,60}/){0,3}(?:alpine\b|[\w.-]{1,60}:[\w.-]{0,40}\balpine)")
"""Alpine, or an official image upon it: python:3.11-alpine. Its C library is musl."""
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
    build = next((found for image, _ in reversed(named) if (found := _torch(image))), None)
    if build and not any(
        found[1] != build.version for line in lines for found in _TORCH.finditer(line[:500])
    ):
        facts.append(build)
    return facts


def _torch(image: str) -> TorchBuild | None:
    """Return the PyTorch build that an image's name states; None where it states none."""
    for row in table("labels")["images"]:
        if found := re.search(row["form"], image):
            version, stack = found["torch"], found["stack"] or ""
            if row["accelerator"] == "rocm":
                variant = f"rocm{stack}" if stack else ""
                return TorchBuild(version=version, hip=stack, accelerator="rocm", variant=variant)
            variant = f"cu{stack.replace('.', '')}" if stack else ""
            build = TorchBuild(version=version, cuda=stack, accelerator="cuda", variant=variant)
            return build if stack else TorchBuild(version=version, accelerator="unknown")
    return None


def _named(lines: Iterable[str]) -> Iterable[tuple[str, bool]]:
    """Yield what a Dockerfile builds on, and what `docker run` starts, unless it only tries a GPU out."""
    for line in lines:
        if "FROM " not in line and " run " not in line:
            continue
        command = typed(line)
        if command.startswith("FROM "):
            yield command.removeprefix("FROM "), True
        elif run := _RUN.search(command):
            yield run["rest"], False
