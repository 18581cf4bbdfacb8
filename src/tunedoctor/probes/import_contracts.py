"""What the libraries of the target ask of each other at import: remembered, else read where that was asked for."""

from tunedoctor import __version__
from tunedoctor.facts import Absent, ImportContracts, Interpreter, Packages, Target, Unknown
from tunedoctor.probing import probe
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.looks import read_look, write_look

_NAME = "contracts"

NOT_READ = Absent(why="the files of the libraries were not read: doctor check --deep does")


@probe(ImportContracts, seconds=120.0)
def import_contracts(
    target: Target, interpreter: Interpreter, packages: Packages
) -> ImportContracts | Absent | Unknown:
    """Read files only where that was asked for; the last look at the same environment counts."""
    steady = _steady(packages)
    held = read_look(interpreter, _NAME, ImportContracts, _by) if steady else None
    if held or not target.read:
        return held[0] if held else NOT_READ
    from tunedoctor.contracts.look import contracts_of  # noqa: PLC0415  a plain check reads no file

    return contracts_of(interpreter, packages)


def remember(snapshot: Snapshot) -> None:
    """Remember what was read for as long as the environment is unchanged."""
    interpreter, packages = snapshot.find(Interpreter), snapshot.find(Packages)
    found = snapshot.find(ImportContracts)
    if interpreter and packages and found and not found.cut and _steady(packages):
        write_look(interpreter, _NAME, found, _by)


def _steady(packages: Packages) -> bool:
    """Tell whether no package changes without a trace, as an editable one does."""
    return not any(one.editable for one in packages.distributions)


def _by() -> str:
    return __version__
