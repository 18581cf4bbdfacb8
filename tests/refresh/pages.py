"""An index on loopback that serves pages made of a wheel table, good and damaged ones."""

import copy
import html
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

from loopback import Answer, Raw, Server

from tunedoctor.model.versions import at_least
from tunedoctor.tables.load import shipped

PLATFORMS = {"linux_x86_64": "x86_64", "linux_aarch64": "aarch64"}


class File(NamedTuple):
    folder: str
    name: str
    metadata: bytes = b""


class Index(Server):
    """What it answers is set path by path."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        """Path -> bytes of a page, or an answer."""
        self.asked: list[str] = []
        super().__init__(self._told)
        self.root = super().url

    def _told(self, _host: str, path: str) -> Answer | Raw:
        self.asked.append(path)
        found = self.pages.get(path, Answer("text/plain", status=403))
        return Answer("text/html", found) if isinstance(found, bytes) else found

    @property
    def url(self) -> str:
        """PyTorch's index."""
        return f"{self.root}/whl/"

    @property
    def default(self) -> str:
        """The default index."""
        return f"{self.root}/simple/"

    def put(self, project: str, files: list[File], root: str = "/whl/") -> None:
        self.pages |= pages(project, files, root)

    def of_table(self, table: Any) -> None:
        for project in ("torch", "torchvision", "torchaudio"):
            self.put(project, files_of(table, project))


def pages(project: str, files: list[File], root: str = "/whl/") -> dict[str, bytes]:
    held = {f"{root}{one.folder}/{one.name}.metadata": one.metadata for one in files}
    return {f"{root}{project}/": page(files, root), **{k: v for k, v in held.items() if v}}


def page(files: list[File], root: str = "/whl/") -> bytes:
    """Return a page in the form of PyTorch's index."""
    lines = ["<!DOCTYPE html>", "<html>", "  <body>", "    <h1>Links</h1>"]
    for one in files:
        href = f"{root}{one.folder}/{quote(one.name)}#sha256={'0' * 64}"
        told = f'"sha256={sha256(one.metadata).hexdigest()}"'
        extra = f" data-dist-info-metadata={told} data-core-metadata={told}" if one.metadata else ""
        link = f'<a href="{href}" data-requires-python="&gt;=3.10"{extra}>'
        lines.append(f"    {link}{html.escape(one.name)}</a><br/>")
    return "\n".join([*lines, "  </body>", "</html>", "<!--TIMESTAMP 1-->", ""]).encode()


def files_of(table: Any, project: str) -> list[File]:
    """Return the files that a wheel table speaks of, as PyTorch's index names them."""
    items = table["releases"]["items"].items()
    if project == "torch":
        return [one for version, row in items for one in torch_files(version, row)]
    numbers = dict.fromkeys(str(row[project]).partition(" ")[0] for _, row in items)
    name = f"{project}-{{}}+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    return [File("cpu", name.format(number)) for number in numbers]


def torch_files(version: str, row: Any, metadata: dict[str, bytes] | None = None) -> list[File]:
    """Return the files of a torch release whose publication was seen."""
    found: list[File] = []
    for variant, family, pythons, floor, *_, seen in row["builds"] if row else ():
        if not seen:
            continue
        platform, number = family, floor.replace(".", "_")
        if family in PLATFORMS:
            kind = "linux" if floor == "2.17" else f"manylinux_{number}"
            platform = f"{kind}_{PLATFORMS[family]}"
        elif family.startswith("macos"):
            platform = f"macosx_{number}_{family.removeprefix('macos_')}"
        old_arm = family == "linux_aarch64" and not at_least(version, "2.6")
        label = "" if old_arm or family.startswith("macos") else f"+{variant}"
        folder = "cpu" if variant == "mps" else variant
        for python in pythons.split():
            cp = "cp" + python.replace(".", "")
            name = f"torch-{version}{label}-{cp.rstrip('t')}-{cp}-{platform}.whl"
            found.append(File(folder, name, (metadata or {}).get(folder, b"")))
    return found


def row_with(row: Any, *, xpu: bool = True, **variants: tuple[str, ...]) -> Any:
    """Return a copy of a row whose builds are all seen: these variants by platform family, and those without a GPU."""
    plain = [[*one[:-1], True] for one in row["builds"] if one[0] in ("cpu", "mps")]
    named = {"linux_x86_64": (), "linux_aarch64": (), "win_amd64": (), **variants}
    builds = [
        [variant, *one[1:]]
        for one in plain
        for variant in (
            one[0],
            *named.get(one[1], ()),
            *(["xpu"] if xpu and one[1] in ("linux_x86_64", "win_amd64") else []),
        )
    ]
    return {**copy.deepcopy(row), "unverified": [], "builds": builds}


CU = ("cu130", "cu132")
NEW = dict.fromkeys(("linux_x86_64", "linux_aarch64", "win_amd64"), CU)


def variants_of(row: Any, family: str, kind: str = "") -> list[str]:
    return [one[0] for one in row["builds"] if one[1] == family and one[0].startswith(kind)]


METADATA = b"""Name: torch
Requires-Dist: cuda-toolkit[cudart]==13.2.2 ; platform_system == "Linux"
Requires-Dist: nvidia-cudnn-cu13==9.26.0.51 ; platform_system == "Linux"
Requires-Dist: triton~=3.10.0 ; platform_system == "Linux"
"""
ROCM = b"Name: torch\nRequires-Dist: rocm[libraries,device-gfx942,device-gfx1100]==10.0\n"


@cache
def with_a_release() -> dict[str, bytes]:
    """Return the pages of the shipped table with 2.16.0, which stands on the default index too, and its torchvision."""
    table = shipped("torch_wheels")
    linux = {**NEW, "linux_x86_64": (*CU, "rocm10.0")}
    row = row_with(table["releases"]["items"]["2.15.0"], **linux)
    found = pages("torchaudio", files_of(table, "torchaudio"))
    new = torch_files("2.16.0", row, {"rocm10.0": ROCM})
    found |= pages("torch", files_of(table, "torch") + new)
    plain = [
        f._replace(folder="f", name=f.name.replace("+cu132", ""))
        for f in new
        if f.folder == "cu132"
    ]
    found |= pages("torch", [one._replace(metadata=METADATA) for one in plain], "/simple/")
    vision = [
        File(
            "cpu",
            f"torchvision-0.{one}.0+cpu-cp313-cp313-manylinux_2_28_x86_64.whl",
            b"Requires-Dist: torch==2.%d.0\n" % (one - 14),
        )
        for one in (30, 31)
    ]
    return found | pages("torchvision", files_of(table, "torchvision") + vision)
