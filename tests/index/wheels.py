"""Small wheels, built in memory: the names, versions and metadata of real ones, and a module that tells its build."""

from typing import NamedTuple

from libraries.catalogue import Release
from loopback import wheel
from packaging.tags import sys_tags

HERE = str(next(iter(sys_tags())))
"""The best tag of the running Python, as compiled wheels carry it."""
ANY = "py3-none-any"


class Wheel(NamedTuple):
    """One file of an index."""

    name: str
    version: str
    """With its local label: "2.14.1+cu126"."""
    tag: str
    data: bytes
    metadata: bytes

    @property
    def file(self) -> str:
        """Name of the file: "torch-2.14.1+cu126-cp311-cp311-linux_x86_64.whl"."""
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"


def build(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    *,
    origin: str,
    tag: str = ANY,
    build_of: str = "",
) -> Wheel:
    """Make a wheel whose `<name>/version.py` says the build (torch's own habit) and the index that it came from."""
    folder = name.replace("-", "_")
    metadata = Release(name, version, requires=requires).metadata
    code = f"__version__ = {build_of or version!r}\norigin = {origin!r}\n"
    files = {f"{folder}/__init__.py": "", f"{folder}/version.py": code}
    data = wheel(f"{folder}-{version}", tag, metadata, files)
    return Wheel(name, version, tag, data, metadata.encode())
