"""PyTorch's own index, for a machine that does not reach it: a proxy on loopback that answers in its name.

The wheels are those that pip took for the base. Every other host is passed through.
"""

import shutil
import ssl
import subprocess
import tempfile
import zipfile
from pathlib import Path

from gallery.place import PACKAGES, Base, NoBaseError
from loopback import Answer, File, Server, page

HOST = "download.pytorch.org"
VARIANT = "cpu"
SYSTEM_ROOTS = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


class TorchIndex:
    """A running proxy; `variables` lead uv and pip to it."""

    def __init__(self, wheels: Path) -> None:
        self.wheels = {path.name: path for path in sorted(wheels.glob("*.whl"))}
        self._proxy = Server(lambda _, path: self.answer(path), HOST.__eq__)
        self._folder = tempfile.TemporaryDirectory()
        roots = Path(self._folder.name, "roots.pem")
        shutil.copyfile(SYSTEM_ROOTS, roots)
        with roots.open("ab") as file:
            file.write(b"\n" + self._proxy.authority.cert_pem.bytes())
        self.variables = {
            "HTTPS_PROXY": self._proxy.url,
            "SSL_CERT_FILE": str(roots),
            "PIP_CERT": str(roots),
        }

    def close(self) -> None:
        """End it."""
        self._proxy.close()
        self._folder.cleanup()

    def answer(self, path: str) -> Answer:
        """Return a page, a wheel or its metadata."""
        match path.strip("/").split("/"):
            case ["files", _, name] if wheel := self.wheels.get(name.removesuffix(".metadata")):
                data = _metadata(wheel) if name.endswith(".metadata") else wheel.read_bytes()
                return Answer("application/octet-stream", data)
            case ["whl", str(variant), project] if variant == VARIANT:
                files = [
                    File(name, name.split("-")[1], wheel.read_bytes(), {"url": _url(name)})
                    for name, wheel in self.wheels.items()
                    if name.split("-")[0].replace("_", "-").lower() == project
                ]
                if files:
                    told = page(project, files)
                    return Answer(told.kind, told.body)
        return Answer("text/plain", b"not there", 404)


def _url(name: str) -> str:
    return f"https://{HOST}/files/{VARIANT}/{name.replace('+', '%2B')}"


def wheels_of(base: Base) -> Path:
    """Return the folder with the wheels of torch and what it needs, as pip took them for the base.

    Raises:
        NoBaseError: pip doesn't find them, or they are of another build.
    """
    folder = base.folder / "wheels"
    if not any(folder.glob("torchvision-*.whl")):
        python = str(base.environment / "bin" / "python")
        argv = [python, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        argv += ["--dest", str(folder), *PACKAGES[:2]]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"pip does not download torch: {done.stderr.strip()[-200:]}"
            raise NoBaseError(msg)
    if not any(folder.glob(f"torch-*+{VARIANT}-*.whl")):
        msg = f"the torch that pip brings here is not the one of {HOST}/whl/{VARIANT}"
        raise NoBaseError(msg)
    return folder


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name)
