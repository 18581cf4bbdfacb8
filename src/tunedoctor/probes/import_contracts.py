"""What the libraries of the target ask of each other at import: remembered, else read where a child can be started."""

from tunedoctor.contracts.remembered import recalled, remember
from tunedoctor.facts import Absent, ImportContracts, Interpreter, Packages, Target, Unknown
from tunedoctor.probing import probe

NOT_READ = Absent(why="the files of the libraries were not read: doctor check --deep does")


@probe(ImportContracts, seconds=120.0)
def import_contracts(
    target: Target, interpreter: Interpreter, packages: Packages
) -> ImportContracts | Absent | Unknown:
    """Start the target's interpreter only where that was asked for; the last look at the same environment counts."""
    known = recalled(interpreter, packages)
    if known or not target.start:
        return known or NOT_READ
    from tunedoctor.contracts.look import contracts_of  # noqa: PLC0415  a plain check reads no file

    found = contracts_of(interpreter, packages)
    if isinstance(found, ImportContracts):
        remember(interpreter, packages, found)
    return found
