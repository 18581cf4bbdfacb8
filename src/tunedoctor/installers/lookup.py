"""Hashes of what is to be installed, and what it needs besides, before anything is fetched.

uv reads the sources; each requirement comes back with the hashes of all its files. The fetch and the install are held
to them, so that no other index can slip in a file.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from tunedoctor.installers.answers import NoSolution
from tunedoctor.installers.answers import Pin as Found
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import Failed, Question, Solved, resolve
from tunedoctor.plan import Install, Pin


def look_up(
    install: Install,
    python: str,
    installed: Mapping[str, str],
    sources: Sources,
    *,
    offline: bool = False,
) -> Install | NoSolution | Failed:
    """Return the install with all its pins, hashes and sizes; `installed` versions are kept where they serve.

    `python` is the target's interpreter, `offline`: by the cache alone. Packages that need no change are left out of
    what comes with the pins.
    """
    if install.no_deps and all(pin.hashes for pin in install.pins):
        return install
    there = {} if install.no_deps else installed
    question = Question(
        tuple(pin.requirement for pin in install.pins),
        preferred=tuple(f"{name}=={version}" for name, version in there.items() if version),
        interpreter=python,
        index_url=install.index,
        locked=True,
        offline=offline,
        dependencies=not install.no_deps,
    )
    found = resolve(question, sources)
    if not isinstance(found, Solved):
        return found
    asked, again = {pin.name: pin for pin in install.pins}, set(install.reinstall)
    pins: list[Pin] = []
    for one in found.pins:
        told, was = asked.get(one.name), installed.get(one.name, "")
        if told is None and was == one.version and one.name not in again:
            continue
        told = told or Pin(name=one.name, version=one.version, was=was)
        # of a folder uv gives no hashes where it need not open the wheel
        hashes = told.hashes or one.hashes or _hashes(one, sources)
        known = {"version": one.version, "hashes": hashes, "download_bytes": one.size}
        pins.append(msgspec.structs.replace(told, **known))
    return msgspec.structs.replace(install, pins=tuple(pins), no_deps=True)


def _hashes(pin: Found, known: Sources) -> tuple[str, ...]:
    """Return the hashes of a package's wheels in the user's folders."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415

    hashes: list[str] = []
    for folder in (one.folder for one in known.links if one.folder):
        for file in folder.glob("*.whl"):
            with suppress(InvalidWheelFilename, OSError), file.open("rb") as stream:
                name, version, *_ = parse_wheel_filename(file.name)
                if (name, str(version)) == (pin.name, pin.version):
                    hashes.append(f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
    return tuple(hashes)


def lines_of(pins: Iterable[Pin]) -> str:
    """Return a requirements file that holds an installer to the hashes."""
    return "".join(
        " ".join([pin.requirement, *(f"--hash={value}" for value in pin.hashes)]) + "\n"
        for pin in pins
    )
