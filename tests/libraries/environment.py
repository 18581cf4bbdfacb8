"""Environments that hold releases of the catalogue: as facts, and on the disk."""

import venv
from pathlib import Path

from planting import plant

from libraries.catalogue import Release, release
from tunedoctor.facts import Distribution, Packages


def _held(pin: str) -> Release:
    name, _, version = pin.partition("==")
    return release(name, version.partition("+")[0])._replace(version=version)


def packages(*pins: str, editable: tuple[str, ...] = ()) -> Packages:
    """Return installed packages of "name==version" with what the catalogue says that they require."""
    found = (
        Distribution(
            name=one.name, version=one.version, requires=one.requires, editable=one.name in editable
        )
        for one in map(_held, pins)
    )
    return Packages(distributions=tuple(found))


def installed(folder: Path, *pins: str) -> Path:
    """Make a virtual environment whose site-packages hold the metadata, and torch's version file; return it."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"), folder / "Lib/site-packages")
    for one in map(_held, pins):
        module = one.name.replace("-", "_")
        info, record = f"{one.stem}.dist-info", f"{module}/__init__.py,,\n"
        plant(site, {f"{info}/METADATA": one.metadata, f"{info}/RECORD": record})
        plant(site, {f"{module}/__init__.py": ""})
        if one.name == "torch":
            none = "cuda = None\nhip = None\nxpu = None\n"
            plant(site, {"torch/version.py": f"__version__ = '{one.version}'\n{none}"})
    return folder
