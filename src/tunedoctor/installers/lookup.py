"""Hashes of what is to be installed, and what it needs besides, before anything is fetched.

uv reads the sources; each requirement comes back with the hashes of all its files. The fetch and the install are held
to them, so that no other index can slip in a file.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from tunedoctor.child import Ended, run
from tunedoctor.installers.sources import Sources, of_variables
from tunedoctor.installers.tool import without_steering
from tunedoctor.installers.uv import (
    Failed,
    Failure,
    NoSolution,
    environment,
    find_uv,
    is_lack,
    lack,
    said,
)
from tunedoctor.installers.uv_pip import why
from tunedoctor.plan import Install, Pin
from tunedoctor.versions import normalised

SECONDS = 180.0
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(\S+)")
_NO_NETWORK = re.compile(
    r"error sending request|Request failed|dns error|timed out|Connection", re.IGNORECASE
)


def look_up(
    install: Install,
    python: str,
    installed: Mapping[str, str],
    sources: Sources | None = None,
) -> Install | NoSolution | Failed:
    """Return the install with all its pins and their hashes; `installed` versions are kept where they serve.

    `python` is the target's interpreter; `sources` are the user's, those of the variables by default.
    Packages that need no change are left out of what comes with the pins.
    """
    if install.no_deps and all(pin.hashes for pin in install.pins):
        return install
    uv = find_uv()
    if not uv:
        return Failed("no uv", "uv is not there: it comes with pip install tunedoctor")
    known = (sources or of_variables(os.environ)).with_index(install.index)
    with tempfile.TemporaryDirectory(prefix="doctor-fix-") as folder:
        asked = Path(folder, "in.txt")
        out = Path(folder, "out.txt")
        asked.write_text("".join(f"{pin.requirement}\n" for pin in install.pins), encoding="utf-8")
        if not install.no_deps:
            lines = (f"{n}=={v}\n" for n, v in installed.items() if v)
            out.write_text("".join(lines), encoding="utf-8")
        argv = [uv, "pip", "compile", asked.name, "--output-file", out.name, "--generate-hashes"]
        argv += ["--only-binary", ":all:", "--no-header", "--no-annotate", "--no-progress"]
        argv += ["--color", "never", "--python", python, "--no-python-downloads"]
        argv += ["--no-deps"] if install.no_deps else []
        argv += [*known.options()]
        if known.limits:
            limits = Path(folder, "limits.txt")
            limits.write_text("".join(f"{one}\n" for one in known.limits), encoding="utf-8")
            argv += ["--constraints", limits.name]
        env = environment(without_steering(os.environ), known)
        ended = run(argv, timeout=SECONDS, env=env, cwd=folder)
        if not ended.ok:
            text = said(ended.err)
            if is_lack(text):
                return lack()
            if "No solution found" in text:
                return NoSolution(text)
            return Failed(
                _kind(ended, text), why(ended.err) if ended.how == "exit" else ended.death
            )
        found = read(out.read_text(encoding="utf-8", errors="replace"))
    # of a folder uv gives none where it need not open the wheel
    found = tuple(pin if pin.hashes else _hashed(pin, known) for pin in found)
    return _joined(install, found, installed)


def _kind(ended: Ended, text: str) -> Failure:
    if ended.how == "hung":
        return "time"
    return "network" if _NO_NETWORK.search(text) else "uv"


def _hashed(pin: Pin, known: Sources) -> Pin:
    """Return a pin with the hashes of its wheels in the user's folders."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415

    hashes: list[str] = []
    for folder in (one.folder for one in known.links if one.folder):
        for file in folder.glob("*.whl"):
            with suppress(InvalidWheelFilename, OSError), file.open("rb") as stream:
                name, version, *_ = parse_wheel_filename(file.name)
                if (name, str(version)) == (pin.name, pin.version):
                    hashes.append(f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}")
    return msgspec.structs.replace(pin, hashes=tuple(hashes))


def read(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file with hashes."""
    pins: list[Pin] = []
    for line in text.splitlines():
        if one := _PIN.match(line):
            name = normalised(one[1])
            pins.append(Pin(name=name, version=one[2]))
        if pins and (hashes := _HASH.findall(line)):
            both = (*pins[-1].hashes, *hashes)
            pins[-1] = msgspec.structs.replace(pins[-1], hashes=both)
    return tuple(pins)


def _joined(install: Install, found: Iterable[Pin], installed: Mapping[str, str]) -> Install:
    asked = {pin.name: pin for pin in install.pins}
    again = set(install.reinstall)
    pins: list[Pin] = []
    for one in found:
        if told := asked.get(one.name):
            hashes = told.hashes or one.hashes
            pins.append(msgspec.structs.replace(told, version=one.version, hashes=hashes))
        elif installed.get(one.name) != one.version or one.name in again:
            was = installed.get(one.name, "")
            pins.append(msgspec.structs.replace(one, was=was))
    return msgspec.structs.replace(install, pins=tuple(pins), no_deps=True)


def lines_of(pins: Iterable[Pin]) -> str:
    """Return a requirements file that holds an installer to the hashes."""
    return "".join(
        " ".join([pin.requirement, *(f"--hash={value}" for value in pin.hashes)]) + "\n"
        for pin in pins
    )
