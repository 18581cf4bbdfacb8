"""Small wheels, built in memory: the names, versions and metadata of real ones, and a module that tells its build."""

import hashlib
import io
import zipfile
from typing import NamedTuple

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

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.data).hexdigest()


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
    info = f"{folder}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata = "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires), ""]).encode()
    code = f"__version__ = {build_of or version!r}\norigin = {origin!r}\n".encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files = {
        f"{folder}/__init__.py": b"",
        f"{folder}/version.py": code,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": wheel,
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(file), content)
    return Wheel(name, version, tag, buffer.getvalue(), metadata)
