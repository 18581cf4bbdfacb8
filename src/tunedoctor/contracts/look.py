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


class LibraryResult(msgspec.Struct, frozen=True):
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
    locations = (distribution.location for distribution in packages.distributions)
    sites = [*dict.fromkeys((*interpreter.site_packages, *filter(None, locations)))]
    path = [*interpreter.path, *(site for site in sites if site not in interpreter.path)]
    return look_at(interpreter.executable, path, sites, packages)


def look_at(
    python: str, path: Sequence[str], sites: Sequence[str], packages: Packages
) -> ImportContracts | Unknown:
    """Examine the libraries on a path; `sites` are its folders with distributions. Any interpreter can do this."""
    libraries_table = table("contract_libraries")
    request = {"path": path, "sites": sites, "whole": libraries_table["whole"], "seconds": SECONDS}
    request |= {
        "libraries": {**libraries_table["needed"], **libraries_table["others"]},
        "commands": libraries_table["commands"],
    }
    argv, request_text = (
        [python, "-I", "-S", "-B", _SCRIPT, "contracts"],
        msgspec.json.encode(request),
    )
    completed = child.run(argv, timeout=SECONDS + 10.0, stdin=request_text.decode())
    try:
        lines = [msgspec.json.decode(row, type=LibraryResult) for row in completed.out.splitlines()]
    except (msgspec.DecodeError, RecursionError) as error:
        return Unknown(why=f"reading the imports failed: {error}"[:300])
    if not completed.ok and not lines:
        return Unknown(
            why=f"reading imports: {completed.death} {completed.err.strip()[-200:]}".strip()
        )
    cut = [line.library for line in lines if line.cut]
    record = cache(_record)  # one look asks for the same few again and again
    if not completed.ok:
        cut.append("the rest")
    contracts = [contract for line in lines for contract in _broken(line, sites, packages, record)]
    damaged = _damaged(contracts)
    damaged_names = {file.distribution for file in damaged}
    broken = (
        contract
        for contract, _ in contracts
        if damaged_names.isdisjoint({contract.library, contract.neighbour})
    )
    return ImportContracts(
        broken=tuple(broken),
        damaged=damaged,
        asked=sum(line.asked for line in lines),
        libraries=tuple(line.library for line in lines if not line.led_by),
        cut=tuple(cut),
    )


def _broken(
    line: LibraryResult, sites: Sequence[str], packages: Packages, record: _Read
) -> Iterator[tuple[BrokenContract, tuple[tuple[str, str], ...]]]:
    """Yield the contracts in a line, each with (distribution, file) of damaged files.

    If a file of RECORD is missing, the contract is not to blame.
    """
    if not line.problems:
        return
    library = _owner_of(line.library, packages, record) or normalised(line.library)
    led_by = _owner_of(line.led_by, packages, record) if line.led_by else ""
    for problem in line.problems:
        top = problem.module.partition(".")[0]
        neighbour = _owner_of(top, packages, record)
        # a module that its distribution gave up
        neighbour = neighbour or getattr(packages.get(distribution_of(top)), "name", "")
        in_own_file = problem.kind in ("name", "keyword", "unreadable")
        # what is asked is required and not installed, which missing-dependency tells
        owner, provider = packages.get(library), brought_by(top)
        parsed_requirements = filter(None, map(requirement, owner.requires if owner else ()))
        missing_requirement = provider in {
            normalised(w.name) for w in parsed_requirements
        } and not packages.get(provider)
        if not in_own_file and (
            missing_requirement or _recorded(problem.module, neighbour, packages, record)
        ):
            continue
        site_folder = next((s for s in sites if problem.file.startswith(s + os.sep)), "")
        file = problem.file[len(site_folder) + 1 if site_folder else 0 :]
        parts = problem.module.split(".")
        theirs = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        files = [f"{path}{end}" for path in theirs for end in (".py", "/__init__.py")]
        places = {neighbour: files, library: [file.replace(os.sep, "/")]}
        contract = replace(
            problem,
            library=library,
            led_by=led_by,
            kind="module" if problem.kind == "missing" and neighbour else problem.kind,
            neighbour=neighbour if problem.kind != "unreadable" else "",
            file=file,
        )
        altered_files = {
            name: _first_altered(name, paths, packages, record) for name, paths in places.items()
        }
        damaged = [(name, path) for name, path in altered_files.items() if path]
        basic = table("contract_libraries")["elementary"].get(problem.module, ())
        if (
            problem.kind == "name"
            and problem.name in basic
            and neighbour
            and not altered_files.get(neighbour)
        ):
            damaged.append((neighbour, f"{problem.module}/__init__.py"))
        yield contract, tuple(damaged)


def _damaged(
    contracts: Sequence[tuple[BrokenContract, tuple[tuple[str, str], ...]]],
) -> tuple[DamagedFile, ...]:
    """Return the files that are not what their distributions installed, and who misses what of these packages."""
    files = {name: file for _, damaged_files in reversed(contracts) for name, file in damaged_files}
    errors = {
        contract.file: contract.name for contract, _ in contracts if contract.kind == "unreadable"
    }
    return tuple(
        DamagedFile(
            distribution=name,
            file=file,
            dependents=tuple(dict.fromkeys(c.library for c, _ in contracts if c.neighbour == name)),
            names=tuple(
                dict.fromkeys(c.name or c.module for c, _ in contracts if c.neighbour == name)
            ),
            error=errors.get(file, ""),
        )
        for name, file in sorted(files.items())
    )


def _owner_of(top: str, packages: Packages, record: _Read) -> str:
    """Return the distribution whose RECORD has a top-level module; "" if unknown."""
    begins = re.compile(
        rb"^%s(?:/|\.py,|\.[^/,\n]{1,60}\.(?:so|pyd),)" % re.escape(top.encode()), re.MULTILINE
    )
    candidates = (packages.get(normalised(top)), *packages.distributions)
    for distribution in candidates:
        if distribution and begins.search(record(distribution.location, distribution.metadata)):
            return distribution.name
    return candidates[0].name if candidates[0] else ""


def _recorded(module: str, owner: str, packages: Packages, record: _Read) -> bool:
    """Return whether a distribution installed a module that is now missing, or has no RECORD to decide it."""
    distribution = packages.get(owner)
    rows = record(distribution.location, distribution.metadata) if distribution else b""
    if distribution and not rows and not distribution.editable:
        return True
    path = module.replace(".", "/").encode()
    return any(b"\n" + path + end in b"\n" + rows for end in (b".py,", b"/__init__.py,"))


def _first_altered(name: str, paths: Sequence[str], packages: Packages, record: _Read) -> str:
    """Return the first of some files that is not what a distribution installed, by its RECORD; "" for none."""
    distribution = packages.get(name)
    rows = (
        record(distribution.location, distribution.metadata)
        if distribution and not distribution.editable
        else b""
    )
    for path in paths:
        _, sign, row = (b"\n" + rows).partition(f"\n{path},sha256=".encode())
        if distribution and sign:
            try:
                content = read_regular(Path(distribution.location, path), _LARGEST_RECORD)
            except PermissionError:
                return path
            except OSError:
                continue
            digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=")
            if digest != row.partition(b",")[0].rstrip(b"="):
                return path
    return ""


def _record(location: str, metadata: str) -> bytes:
    try:
        return read_regular(Path(location, metadata, "RECORD"), _LARGEST_RECORD)
    except OSError:
        return b""
