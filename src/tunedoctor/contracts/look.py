"""Read the libraries of an environment in a child: `target/contracts`, by the target's interpreter."""

import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import (
    BrokenContract,
    DamagedFile,
    ImportContracts,
    Interpreter,
    Packages,
    Unknown,
)
from tunedoctor.model.versions import at_least, normalised, requirement
from tunedoctor.system import child
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.load import table
from tunedoctor.tables.small import brought_by, distribution_of

SECONDS = 90.0
"""For all libraries: some 8 of CPU for a common stack."""
OLDEST = "3.8"
"""Python that the script needs."""
_SCRIPT = str(Path(__file__).parent.parent / "target" / "start.py")
_LARGEST_RECORD = 8 << 20
_Read = Callable[[str, str], bytes]
"""Location and metadata of a distribution -> its RECORD; empty where it has none."""


class Line(msgspec.Struct, frozen=True):
    """The result of the script for one library."""

    library: str
    led_by: str
    """The library whose import runs it; "" for one of the table."""
    asked: int
    cut: bool
    problems: tuple[BrokenContract, ...]


def contracts_of(interpreter: Interpreter, packages: Packages) -> ImportContracts | Unknown:
    """Examine the libraries in the target."""
    if not at_least(interpreter.version, OLDEST):
        return Unknown(why=f"reading imports needs Python {OLDEST}; it has {interpreter.version}")
    held = (one.location for one in packages.distributions)
    sites = [*dict.fromkeys((*interpreter.site_packages, *filter(None, held)))]
    path = [*interpreter.path, *(one for one in sites if one not in interpreter.path)]
    return look_at(interpreter.executable, path, sites, packages)


def look_at(
    python: str, path: Sequence[str], sites: Sequence[str], packages: Packages
) -> ImportContracts | Unknown:
    """Examine the libraries on a path; `sites` are its folders with distributions. Any interpreter can do this."""
    known = table("contract_libraries")
    request = {"path": path, "sites": sites, "whole": known["whole"], "seconds": SECONDS}
    request |= {"libraries": {**known["needed"], **known["others"]}, "commands": known["commands"]}
    argv, asked = [python, "-I", "-S", "-B", _SCRIPT, "contracts"], msgspec.json.encode(request)
    ended = child.run(argv, timeout=SECONDS + 10.0, stdin=asked.decode())
    try:
        lines = [msgspec.json.decode(one, type=Line) for one in ended.out.splitlines()]
    except (msgspec.DecodeError, RecursionError) as error:
        return Unknown(why=f"reading the imports failed: {error}"[:300])
    if not ended.ok and not lines:
        return Unknown(why=f"reading imports: {ended.death} {ended.err.strip()[-200:]}".strip())
    cut = [one.library for one in lines if one.cut]
    record = cache(_record)  # one look asks for the same few again and again
    if not ended.ok:
        cut.append("the rest")
    found = [one for line in lines for one in _broken(line, sites, packages, record)]
    damaged = _damaged(found)
    ill = {one.distribution for one in damaged}
    broken = (one for one, _ in found if ill.isdisjoint({one.library, one.neighbour}))
    return ImportContracts(
        broken=tuple(broken),
        damaged=damaged,
        asked=sum(one.asked for one in lines),
        libraries=tuple(one.library for one in lines if not one.led_by),
        cut=tuple(cut),
    )


def _broken(
    line: Line, sites: Sequence[str], packages: Packages, record: _Read
) -> Iterator[tuple[BrokenContract, tuple[tuple[str, str], ...]]]:
    """Yield the contracts in a line, each with (distribution, file) of damaged files.

    If a file of RECORD is missing, the contract is not to blame.
    """
    if not line.problems:
        return
    asks = _owner_of(line.library, packages, record) or normalised(line.library)
    led_by = _owner_of(line.led_by, packages, record) if line.led_by else ""
    for one in line.problems:
        top = one.module.partition(".")[0]
        asked = _owner_of(top, packages, record)
        # a module that its distribution gave up
        asked = asked or getattr(packages.get(distribution_of(top)), "name", "")
        here = one.kind in ("name", "keyword", "unreadable")
        # what is asked is required and not installed, which missing-dependency tells
        owner, brought = packages.get(asks), brought_by(top)
        wanted = filter(None, map(requirement, owner.requires if owner else ()))
        told = brought in {normalised(w.name) for w in wanted} and not packages.get(brought)
        if not here and (told or _recorded(one.module, asked, packages, record)):
            continue
        below = next((s for s in sites if one.file.startswith(s + os.sep)), "")
        file = one.file[len(below) + 1 if below else 0 :]
        parts = one.module.split(".")
        theirs = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        files = [f"{path}{end}" for path in theirs for end in (".py", "/__init__.py")]
        places = {asked: files, asks: [file.replace(os.sep, "/")]}
        contract = replace(
            one,
            library=asks,
            led_by=led_by,
            kind="module" if one.kind == "missing" and asked else one.kind,
            neighbour=asked if one.kind != "unreadable" else "",
            file=file,
        )
        altered = {name: _altered(name, some, packages, record) for name, some in places.items()}
        ill = [(name, path) for name, path in altered.items() if path]
        basic = table("contract_libraries")["elementary"].get(one.module, ())
        if one.kind == "name" and one.name in basic and asked and not altered.get(asked):
            ill.append((asked, f"{one.module}/__init__.py"))
        yield contract, tuple(ill)


def _damaged(
    found: Sequence[tuple[BrokenContract, tuple[tuple[str, str], ...]]],
) -> tuple[DamagedFile, ...]:
    """Return the files that are not what their distributions installed, and who misses what of these packages."""
    files = {name: file for _, ill in reversed(found) for name, file in ill}
    errors = {one.file: one.name for one, _ in found if one.kind == "unreadable"}
    return tuple(
        DamagedFile(
            distribution=name,
            file=file,
            dependents=tuple(dict.fromkeys(c.library for c, _ in found if c.neighbour == name)),
            names=tuple(dict.fromkeys(c.name or c.module for c, _ in found if c.neighbour == name)),
            error=errors.get(file, ""),
        )
        for name, file in sorted(files.items())
    )


def _owner_of(top: str, packages: Packages, record: _Read) -> str:
    """Return the distribution whose RECORD has a top-level module; "" if unknown."""
    begins = re.compile(
        rb"^%s(?:/|\.py,|\.[^/,\n]{1,60}\.(?:so|pyd),)" % re.escape(top.encode()), re.MULTILINE
    )
    named = (packages.get(normalised(top)), *packages.distributions)
    for one in named:
        if one and begins.search(record(one.location, one.metadata)):
            return one.name
    return named[0].name if named[0] else ""


def _recorded(module: str, owner: str, packages: Packages, record: _Read) -> bool:
    """Return whether a distribution installed a module that is now missing, or has no RECORD to decide it."""
    one = packages.get(owner)
    rows = record(one.location, one.metadata) if one else b""
    if one and not rows and not one.editable:
        return True
    path = module.replace(".", "/").encode()
    return any(b"\n" + path + end in b"\n" + rows for end in (b".py,", b"/__init__.py,"))


def _altered(name: str, paths: Sequence[str], packages: Packages, record: _Read) -> str:
    """Return the first of some files that is not what a distribution installed, by its RECORD; "" for none."""
    one = packages.get(name)
    rows = record(one.location, one.metadata) if one and not one.editable else b""
    for path in paths:
        _, sign, row = (b"\n" + rows).partition(f"\n{path},sha256=".encode())
        if one and sign:
            try:
                held = read_regular(Path(one.location, path), _LARGEST_RECORD)
            except PermissionError:
                return path
            except OSError:
                continue
            digest = urlsafe_b64encode(sha256(held).digest()).rstrip(b"=")
            if digest != row.partition(b",")[0].rstrip(b"="):
                return path
    return ""


def _record(location: str, metadata: str) -> bytes:
    try:
        return read_regular(Path(location, metadata, "RECORD"), _LARGEST_RECORD)
    except OSError:
        return b""
