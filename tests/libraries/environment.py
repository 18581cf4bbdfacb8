"""Environments that hold releases of the catalogue: as facts, and on the disk."""

import venv
from pathlib import Path

from libraries.catalogue import release
from tunedoctor.facts import Distribution, Packages


def packages(*pins: str, editable: tuple[str, ...] = ()) -> Packages:
    """Return installed packages of "name==version" with what the catalogue says that they require."""
    found: list[Distribution] = []
    for pin in pins:
        name, _, version = pin.partition("==")
        one = release(name, version.partition("+")[0])
        found.append(
            Distribution(
                name=name, version=version, requires=one.requires, editable=name in editable
            )
        )
    return Packages(distributions=tuple(found))


def installed(folder: Path, *pins: str) -> Path:
    """Make a virtual environment whose site-packages hold the metadata, and torch's version file; return it."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib/site-packages")
    for pin in pins:
        name, _, version = pin.partition("==")
        module = name.replace("-", "_")
        one = release(name, version.partition("+")[0])._replace(version=version)
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(one.metadata)
        (info / "RECORD").write_text(f"{module}/__init__.py,,\n")
        (site / module).mkdir()
        (site / module / "__init__.py").touch()
        if name == "torch":
            (site / "torch" / "version.py").write_text(
                f"__version__ = '{version}'\ncuda = None\nhip = None\nxpu = None\n"
            )
    return folder
