"""Real environments with wheels of an index on loopback."""

import ensurepip
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from sysconfig import get_config_var

from libraries.catalogue import Release
from tunedoctor.installers.uv import find_uv

HELD = ("torch==2.14.1", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0", "numpy==2.2.6")
HELD += ("safetensors==0.8.0", "accelerate==1.13.0", "tokenizers==0.22.2", "transformers==4.57.6")
HELD += ("huggingface-hub==1.5.0",)
"""transformers 4.57.6 refuses a huggingface-hub of 1 or newer at import; 0.36.2 is the cure."""


def made(folder: Path, url: str, *pins: str, name: str = "env", pip: bool = False) -> Path:
    place, uv = folder / name, (find_uv(), "--no-config")
    folder.mkdir(exist_ok=True)
    subprocess.run([*uv, "venv", "-q", "-p", sys.executable, place], check=True, cwd=folder)
    argv = [*uv, "pip", "install", "-q", "--no-deps", "--python", place / "bin/python", *pins]
    own = bundled_pip() if pip else ()
    subprocess.run([*argv, *own, "--default-index", url], check=True, cwd=folder)
    return place


def bundled_pip() -> Iterator[Path]:
    """Yield the wheel of the pip that this Python brings: uv puts it in in a tenth of a second, ensurepip in three."""
    folder = get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).with_name("_bundled")
    yield next(Path(folder).glob("pip-*.whl"))


def house(folder: Path, releases: Iterable[Release]) -> Path:
    folder.mkdir(parents=True)
    for one in releases:
        (folder / one.files[0]).write_bytes(one.wheel())
    return folder


def version(env: Path, name: str = "huggingface_hub") -> str:
    (info,) = env.glob(f"lib/python*/site-packages/{name}-*.dist-info")
    return info.name.removesuffix(".dist-info").rpartition("-")[2]


def state(folder: Path) -> dict[str, object]:
    """Return every file of a tree and where links lead, byte code left out."""
    return {
        str(p.relative_to(folder)): p.readlink()
        if p.is_symlink()
        else p.is_file() and p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if "__pycache__" not in p.parts
    }
