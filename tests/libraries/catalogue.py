"""Releases of packages with made-up wheels, and a few of each library with the ranges that the real ones declare."""

import re
from functools import cache
from typing import NamedTuple

from loopback import wheel
from rows import rows

MODULES = {"pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn",
    "protobuf": "google/protobuf", "nvidia-ml-py": "pynvml"}  # fmt: skip
"""Where the code of a package lies, if not in a folder of its name."""
_NAMES = """
class _Any(type):
    def __getattr__(cls, name):
        return cls
class Any(metaclass=_Any):
    pass
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Any
"""
"""Any name can be imported of a library, and has any attribute."""


class Release(NamedTuple):
    name: str
    version: str
    date: str = ""
    """Of its upload; "" where the index does not tell."""
    requires: tuple[str, ...] = ()
    python: str = ""
    tags: tuple[str, ...] = ()
    """Of its wheels: whole, or "cp311", or "cp38+" for the stable interface; () for any."""
    sdist: bool = False
    """There are no wheels."""
    body: str = ""
    """What its module runs at import, after it has told its version."""

    @property
    def stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def files(self) -> tuple[str, ...]:
        if self.sdist:
            return (f"{self.stem}.tar.gz",)
        # the stable interface is tied to a platform, "py38" is not
        tags = [f"py{t[2:-1]}" if t.endswith("+") else t for t in self.tags or ["py3"]]
        return tuple(f"{self.stem}-{t if '-' in t else f'{t}-none-any'}.whl" for t in tags)

    @property
    def metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.python}"] if self.python else []
        return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in self.requires)]) + "\n\n"

    @property
    def cuda_code(self) -> int:
        """The CUDA release that the default index's torch is built for: 128 for 12.8, 0 for none."""
        runtime = re.compile(r"(?:cuda-toolkit|nvidia-cuda-runtime\S*)==(\d+)\.(\d+)")
        named = runtime.search(" ".join(self.requires))
        return int(named[1]) * 10 + int(named[2]) if named else 0

    @cache  # noqa: B019  of a tuple, which lives as long as its catalogue
    def wheel(self, file: str = "") -> bytes:
        """Return the wheel of a name of `files`, or the first."""
        tag = (file or self.files[0]).removesuffix(".whl").removeprefix(f"{self.stem}-")
        folder = MODULES.get(self.name, self.name.replace("-", "_"))
        # torch would have to compute
        names = "" if self.name == "torch" else _NAMES
        files = {f"{folder}/__init__.py": f'__version__ = "{self.version}"\n{self.body}\n{names}'}
        if self.name == "torch":
            files["torch/version.py"] = self._version_py()
        return wheel(self.stem, tag, self.metadata, files)

    def _version_py(self) -> str:
        """Return what torch says of its build: the label of its version, else CUDA, as the default index has it."""
        label = self.version.partition("+")[2]
        cuda = f"{label[2:-1]}.{label[-1]}" if label.startswith("cu") else ""
        cuda = cuda or ("" if label or not self.cuda_code else f"{self.cuda_code / 10}")
        rocm = label.removeprefix("rocm") if label.startswith("rocm") else ""
        told = f"cuda = {cuda or None!r}\nhip = {rocm or None!r}\nxpu = None\n"
        return f"__version__ = {self.version!r}\ndebug = False\n{told}"


def made(row: dict[str, object]) -> Release:
    lists = {key: tuple(one) for key, one in row.items() if isinstance(one, list)}
    return Release(**{**row, **lists})


RELEASES = tuple(map(made, rows("libraries/catalogue.jsonl")))


def release(name: str, version: str) -> Release:
    """Return a release of the catalogue; one that it lacks has no requirements."""
    known = {(one.name, one.version): one for one in RELEASES}
    return known.get((name, version), Release(name, version))
