"""What was recorded of real releases, and the made-up wheels that carry their metadata.

A wheel holds its metadata and, where checks read more of a package, the file that they read. What an exact pin names
and nobody recorded (the CUDA libraries of torch) is made up as a package without requirements.
"""

import gzip
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RECORD = Path(__file__).resolve().parents[2] / "benchmarks" / "recorded_releases.jsonl.gz"
GROUP = ("torch", "torchvision", "torchaudio")
"""What PyTorch's own indexes have with a local label."""
MODULES = {
    "pyyaml": "yaml",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "protobuf": "google/protobuf",
    "flash-attn": "flash_attn",
    "autoawq": "awq",
    "nvidia-ml-py": "pynvml",
}
"""Where the code of a package lies, if not in a folder of its name."""


class Release(NamedTuple):
    """One release of a package."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    python: str = ""
    tags: tuple[str, ...] = ()
    """Interpreters that there are wheels for: "cp311", "cp38+" for the stable interface; () for any."""
    date: str = "2023-01-01"
    sdist: bool = False
    """There are no wheels."""

    @property
    def stem(self) -> str:
        """The name and version of its files."""
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files; one for each interpreter, and any platform."""
        if self.sdist:
            return (f"{self.stem}.tar.gz",)
        # the stable interface is tied to a platform, "py38" is not
        tags = [f"py{t[2:-1]}-none" if t.endswith("+") else f"{t}-none" for t in self.tags]
        return tuple(f"{self.stem}-{tag}-any.whl" for tag in tags or ["py3-none"])

    @property
    def metadata(self) -> bytes:
        """Its METADATA."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.python}"] if self.python else []
        lines += [f"Requires-Dist: {one}" for one in self.requires]
        return "\n".join([*lines, ""]).encode()

    def wheel(self, file: str) -> bytes:
        """Return the wheel of a name of `files`."""
        folder = MODULES.get(self.name, self.name.replace("-", "_"))
        info = f"{self.stem}.dist-info"
        tag = file.removesuffix(".whl").removeprefix(f"{self.stem}-")
        head = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        held = {
            f"{folder}/__init__.py": f"__version__ = {self.version!r}\n".encode(),
            **({"torch/version.py": _version_py(self)} if self.name == "torch" else {}),
            f"{info}/METADATA": self.metadata,
            f"{info}/WHEEL": f"{head}Tag: {tag}\n".encode(),
        }
        lines = "".join(f"{name},,\n" for name in [*held, f"{info}/RECORD"])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in {**held, f"{info}/RECORD": lines.encode()}.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return buffer.getvalue()


def _version_py(torch: Release) -> bytes:
    """Return what torch says of its build: the label of its version, else CUDA, as the default index has it."""
    label = torch.version.partition("+")[2]
    cuda = f"{label[2:-1]}.{label[-1]}" if label.startswith("cu") else ""
    cuda = cuda or ("" if label else f"{_cuda_code(torch) / 10}")
    rocm = label.removeprefix("rocm") if label.startswith("rocm") else ""
    return (
        f"__version__ = {torch.version!r}\ndebug = False\n"
        f"cuda = {cuda or None!r}\nhip = {rocm or None!r}\nxpu = None\n"
    ).encode()


_CUDA = ("nvidia-", "cuda-")


def _cuda_code(torch: Release) -> int:
    """Return the CUDA release that the default index's torch is built for: 128 for 12.8."""
    runtime = re.compile(r"(?:cuda-toolkit|nvidia-cuda-runtime\S*)==(\d+)\.(\d+)")
    named = runtime.search(" ".join(torch.requires))
    return int(named[1]) * 10 + int(named[2]) if named else 0


class Catalogue:
    """All releases by name and version."""

    def __init__(self, releases: Mapping[str, Mapping[str, Release]]) -> None:
        self.releases = releases

    def of(self, name: str) -> Mapping[str, Release]:
        """Return the releases of a package, oldest first."""
        return self.releases.get(canonicalize_name(name), {})

    def labelled(self, name: str, variant: str) -> dict[str, Release]:
        """Return what PyTorch's index of a variant has: its own with a label, without wheels of another vendor."""
        found = self.of(name)
        if name not in GROUP:
            return dict(found)
        return {
            f"{one.version}+{variant}": one._replace(
                version=f"{one.version}+{variant}", requires=self._brings(one, variant)
            )
            for one in found.values()
        }

    def _brings(self, one: Release, variant: str) -> tuple[str, ...]:
        """Return what a build requires: the CUDA libraries are those of the torch that is built for that CUDA."""
        own = tuple(r for r in one.requires if not r.startswith(_CUDA))
        if not variant.startswith("cu"):
            return tuple(r for r in own if not r.startswith("triton"))
        if one.name != "torch":
            return own
        code = int(variant[2:])
        near = min(self.of("torch").values(), key=lambda t: (abs(_cuda_code(t) - code), t.date))
        return own + tuple(r for r in near.requires if r.startswith(_CUDA))

    @cached_property
    def by_file(self) -> dict[str, Release]:
        """Return each file and its release."""
        every = (one for several in self.releases.values() for one in several.values())
        return {file: one for one in every for file in one.files}


@cache
def catalogue() -> Catalogue:
    """Return what is recorded."""
    found: dict[str, dict[str, Release]] = {}
    for line in gzip.decompress(RECORD.read_bytes()).decode().splitlines():
        row = json.loads(line)
        found[row["name"]] = {
            v: _release(row["name"], v, one) for v, one in row["releases"].items()
        }
    for name, version, date in list(_pinned(found)):
        found.setdefault(name, {}).setdefault(version, Release(name, version, date=date))
    needed = {
        canonicalize_name(Requirement(line).name)
        for several in found.values()
        for one in several.values()
        for line in one.requires
    }
    for name in sorted(needed - found.keys()):
        found[name] = {"1.0": Release(name, "1.0")}
    return Catalogue(found)


def _release(name: str, version: str, row: Mapping[str, Any]) -> Release:
    return Release(
        name,
        version,
        tuple(row.get("requires", ())),
        row.get("python", ""),
        tuple(row.get("tags", ())),
        row["date"],
        row.get("sdist", False),
    )


def _pinned(found: Mapping[str, Mapping[str, Release]]) -> Iterator[tuple[str, str, str]]:
    for several in found.values():
        for one in several.values():
            for line in one.requires:
                need = Requirement(line)
                exact = [s.version for s in need.specifier if s.operator == "=="]
                if exact and not exact[0].endswith(".*"):
                    yield canonicalize_name(need.name), exact[0], one.date


def sha256(data: bytes) -> str:
    """Return the hash as indexes write it."""
    return hashlib.sha256(data).hexdigest()
