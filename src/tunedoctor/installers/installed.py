"""What is installed as a source of metadata: a folder of wheels without files, one for each package that is there.

A wheelhouse holds what is to be put in, seldom all that is there already; the resolver needs the requirements of both.
Nothing is ever installed from it: what stays as it is stays.
"""

import zipfile
from collections.abc import Collection
from pathlib import Path

from tunedoctor.facts import Packages


def stand_ins(folder: Path, packages: Packages, but: Collection[str] = ()) -> None:
    """Write the wheels into a folder; `but` names packages that are to be put in anew."""
    for one in packages.distributions:
        name = one.name.replace("-", "_")
        if one.name in but or not one.version or "/" in f"{name}{one.version}":
            continue
        info = f"{name}-{one.version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {one.name}", f"Version: {one.version}"]
        lines += [f"Requires-Dist: {' '.join(text.split())}" for text in one.requires]
        wheel = "Wheel-Version: 1.0\nGenerator: doctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"{name}-{one.version}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{info}/METADATA", "\n".join([*lines, "", ""]))
            archive.writestr(f"{info}/WHEEL", wheel)
            archive.writestr(f"{info}/RECORD", "")
