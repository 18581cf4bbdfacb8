"""Made-up systems and site-packages folders."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes files, path -> text or bytes, and returns the root that they lie under."""

    def write(files: dict[str, str | bytes]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


@pytest.fixture
def install() -> Callable[..., Path]:
    """Return a function that installs a made-up distribution as pip would, and returns its .dist-info."""
    return _install


def _install(
    site: Path,
    name: str,
    version: str,
    *,
    module: str | None = None,
    requires: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    record: bool = True,
) -> Path:
    module = module or name.replace("-", "_")
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires]
    (info / "METADATA").write_text("\n".join([*lines, "", "Long text", ""]))
    (info / "INSTALLER").write_text("pip\n")
    code = (f"{module}/__init__.py", *files)
    for file in code:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("x = 1\n")
    if record:
        listed = [*(f"{file},sha256=x,6" for file in code), f"{info.name}/RECORD,,"]
        (info / "RECORD").write_text("\n".join([*listed, ""]))
    return info
