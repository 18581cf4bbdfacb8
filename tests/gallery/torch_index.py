"""PyTorch's own index, for a machine that does not reach it: a proxy on loopback that answers in its name.

The wheels are those that pip took for the base. Every other host is passed through.
"""

import ssl
import zipfile
from pathlib import Path
from urllib.parse import quote

from gallery.place import PACKAGES, Base, NoBaseError, run
from loopback import Answer, File, Server, page

HOST = "download.pytorch.org"
SYSTEM_ROOTS = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


class TorchIndex(Server):
    """A running proxy; `variables` lead uv and pip to it."""

    def __init__(self, wheels: Path, folder: Path) -> None:
        self.wheels = {path.name: path for path in sorted(wheels.glob("*.whl"))}
        super().__init__(lambda _, path: self._told(path), HOST.__eq__)
        roots = folder / "roots.pem"
        roots.write_bytes(Path(SYSTEM_ROOTS).read_bytes() + self.authority.cert_pem.bytes())
        self.variables = {"HTTPS_PROXY": self.url, "SSL_CERT_FILE": str(roots),
            "PIP_CERT": str(roots)}  # fmt: skip

    def _told(self, path: str) -> Answer | None:
        match path.strip("/").split("/"):
            case ["files", name] if wheel := self.wheels.get(name.removesuffix(".metadata")):
                data = _metadata(wheel) if name.endswith(".metadata") else wheel.read_bytes()
                return Answer("application/octet-stream", data)
            case ["whl", "cpu", project]:
                stem = f"{project.replace('-', '_')}-"
                files = [
                    File(
                        name,
                        name.split("-")[1],
                        wheel.read_bytes(),
                        {"url": f"/files/{quote(name)}"},
                    )
                    for name, wheel in self.wheels.items()
                    if name.lower().startswith(stem)
                ]
                return page(project, files) if files else None
        return None


def wheels_of(base: Base) -> Path:
    """Return the folder with the wheels of torch and what it needs, as pip took them for the base."""
    folder = base.folder / "wheels"
    if not any(folder.glob("torchvision-*.whl")):
        pip = (str(base.environment / "bin" / "python"), "-m", "pip", "download", "--quiet")
        run(*pip, "--only-binary", ":all:", "--dest", str(folder), *PACKAGES[:2])
    if not any(folder.glob("torch-*+cpu-*.whl")):
        msg = f"the torch that pip brings here is not the one of {HOST}/whl/cpu"
        raise NoBaseError(msg)
    return folder


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name)
