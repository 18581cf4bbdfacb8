"""An index on loopback that serves pages made of a wheel table, good and damaged ones."""

import copy
import html
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import quote

from tunedoctor.model.versions import at_least

PLATFORMS = {"linux_x86_64": "x86_64", "linux_aarch64": "aarch64"}
Answer = Callable[[BaseHTTPRequestHandler], None]


class File(NamedTuple):
    """A wheel as a page names it."""

    folder: str
    name: str
    metadata: bytes = b""


class Index:
    """A real HTTP server; what it answers is set path by path."""

    def __init__(self, root: str) -> None:
        self.url = f"{root}/whl/"
        self.default = f"{root}/simple/"
        self.pages: dict[str, bytes | Answer] = {}
        self.asked: list[str] = []

    def put(self, project: str, files: list[File], root: str = "/whl/") -> None:
        """Serve a page of these files and their metadata."""
        self.pages[f"{root}{project}/"] = page(files, root)
        for one in files:
            if one.metadata:
                self.pages[f"{root}{one.folder}/{one.name}.metadata"] = one.metadata

    def of_table(self, table: Any) -> None:
        """Serve the pages that a wheel table describes."""
        for project in ("torch", "torchvision", "torchaudio"):
            self.put(project, files_of(table, project))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: Index

    def do_GET(self) -> None:
        from urllib.parse import unquote

        path = unquote(self.path)
        self.index.asked.append(path)
        answer = self.index.pages.get(path)
        if answer is None:
            self.send_error(403)
        elif callable(answer):
            self.close_connection = True
            answer(self)
        else:
            reply(self, answer)

    def log_message(self, *_: Any) -> None:
        pass


def reply(
    handler: BaseHTTPRequestHandler,
    data: bytes,
    status: int = 200,
    length: int = -1,
    **headers: str,
) -> None:
    """Answer; `length` states another length than the data has."""
    handler.send_response(status)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", str(len(data) if length < 0 else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def page(files: list[File], root: str = "/whl/") -> bytes:
    """Return a page in the form of PyTorch's index."""
    lines = ["<!DOCTYPE html>", "<html>", "  <body>", "    <h1>Links</h1>"]
    for one in files:
        href = f"{root}{one.folder}/{quote(one.name)}#sha256={'0' * 64}"
        extra = ""
        if one.metadata:
            digest = sha256(one.metadata).hexdigest()
            extra = (
                f' data-dist-info-metadata="sha256={digest}" data-core-metadata="sha256={digest}"'
            )
        lines.append(
            f'    <a href="{href}" data-requires-python="&gt;=3.10"{extra}>{html.escape(one.name)}</a><br/>'
        )
    return "\n".join([*lines, "  </body>", "</html>", "<!--TIMESTAMP 1-->", ""]).encode()


def files_of(table: Any, project: str) -> list[File]:
    """Return the files that a wheel table speaks of, as PyTorch's index names them."""
    found: list[File] = []
    for version, row in table["releases"]["items"].items():
        if project != "torch":
            number = str(row[project]).partition(" ")[0]
            found.append(
                File("cpu", f"{project}-{number}+cpu-cp312-cp312-manylinux_2_28_x86_64.whl")
            )
        else:
            found += torch_files(version, row)
    return list(dict.fromkeys(found))


def torch_files(version: str, row: Any, metadata: dict[str, bytes] | None = None) -> list[File]:
    """Return the files of a torch release whose publication was seen."""
    found: list[File] = []
    for variant, family, pythons, floor, *_, seen in row["builds"] if row else ():
        if not seen:
            continue
        number = floor.replace(".", "_")
        platform = family
        if family in PLATFORMS:
            kind = "linux" if floor == "2.17" else f"manylinux_{number}"
            platform = f"{kind}_{PLATFORMS[family]}"
        elif family.startswith("macos"):
            platform = f"macosx_{number}_{family.removeprefix('macos_')}"
        bare = family.startswith("macos") or (
            family == "linux_aarch64" and not at_least(version, "2.6")
        )
        folder = "cpu" if variant == "mps" else variant
        label = "" if bare else f"+{variant}"
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
    """Return the variants of a row of the table for a family."""
    return [one[0] for one in row["builds"] if one[1] == family and one[0].startswith(kind)]
