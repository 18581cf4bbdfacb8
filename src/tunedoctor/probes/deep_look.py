"""What imports of an environment told, run or read, remembered: the next quick look knows what died."""

import os
from contextlib import suppress

import msgspec

from tunedoctor import __version__
from tunedoctor.facts import (
    Absent,
    ImportContracts,
    Interpreter,
    Packages,
    Runtime,
    Target,
    Unknown,
)
from tunedoctor.probes.imports import deaths, with_imports
from tunedoctor.probing import probe
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.looks import Look, read_look, write_look
from tunedoctor.tables.load import table

_CONTRACTS = "contracts"

NOT_READ = Absent(why="the files of the libraries were not read: doctor check --deep does")


@probe(ImportContracts, seconds=120.0)
def import_contracts(
    target: Target, interpreter: Interpreter, packages: Packages
) -> ImportContracts | Absent | Unknown:
    """Read files only where that was asked for; the last look at the same environment counts, but in a deep one."""
    steady = _steady(packages)
    held = read_look(interpreter, _CONTRACTS, ImportContracts, _by) if steady else None
    if not target.read or (held and not target.anew):
        return held[0] if held else NOT_READ
    from tunedoctor.contracts.look import contracts_of  # noqa: PLC0415  a plain check reads no file

    return contracts_of(interpreter, packages)


def _steady(packages: Packages) -> bool:
    """Tell whether no package changes without a trace, as an editable one does."""
    return not any(one.editable for one in packages.distributions)


def _by() -> str:
    return __version__


_IMPORTS = "imports"
_OLDEST = 30 * 86_400.0
"""Seconds after which a look is no longer believed: what lies outside of the environment moves on."""
_GPU = ("init gpu", "device ", "matmul ", "attention ", "compile")
"""Beginnings of stages that are about the GPU."""
_LINKER = "/etc/ld.so.cache"
"""It is written when libraries of the system come or go."""


def remember(snapshot: Snapshot) -> None:
    """Remember what was read of imports, and what running them told.

    Of GPUs nothing, for the machine can change and the packages not.
    """
    interpreter, packages = snapshot.find(Interpreter), snapshot.find(Packages)
    found, told = snapshot.find(ImportContracts), snapshot.find(Runtime)
    if interpreter and packages and found and not found.cut and _steady(packages):
        write_look(interpreter, _CONTRACTS, found, _by)
    if interpreter is None or told is None or told.remembered:
        return
    # what hung, or was killed for memory, may go well the next time
    if any(s.outcome == "hung" or "SIGKILL" in s.error for s in told.stages):
        return
    stages = tuple(s for s in told.stages if not s.name.startswith(_GPU))
    write_look(interpreter, _IMPORTS, Runtime(stages=stages, strays=told.strays), _outside)


def remembered(snapshot: Snapshot) -> tuple[Runtime, Look] | None:
    """Return what the last deep look of this unchanged environment told, and when."""
    interpreter = snapshot.find(Interpreter)
    held = read_look(interpreter, _IMPORTS, Runtime, _outside) if interpreter else None
    if held is None or held[1].age > _OLDEST:
        return None
    return msgspec.structs.replace(held[0], remembered=held[1].taken), held[1]


def with_remembered(snapshot: Snapshot) -> Snapshot:
    """Return a quick look with the imports that died at the last deep one; what went well then claims nothing now."""
    held = remembered(snapshot)
    return with_imports(snapshot, held[0]) if held and deaths(held[0]) else snapshot


def looked(snapshot: Snapshot, answer: Runtime | Absent | Unknown) -> Snapshot:
    """Return a snapshot with what an import told just now, which is remembered."""
    found = with_imports(snapshot, answer)
    remember(found)
    return found


def _outside() -> str:
    """Return what an import depends on besides the environment: variables, and libraries of the system."""
    steers = tuple(table("probes")["steers_imports"])
    held = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(steers))
    with suppress(OSError):
        held.append(str(os.stat(_LINKER).st_mtime_ns))  # noqa: PTH116  every check pays
    return "\0".join(held)
