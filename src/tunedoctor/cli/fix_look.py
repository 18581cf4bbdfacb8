"""What there is to cure: a look that goes as deep as it must before there is nothing."""

import os
import sys

from tunedoctor.agreement import chosen, drafted
from tunedoctor.cli.fix_case import Case
from tunedoctor.cli.progress import spinner
from tunedoctor.engine import Found, diagnose
from tunedoctor.facts import Interpreter, Packages, Runtime
from tunedoctor.planning.fix_answer import Answer
from tunedoctor.probes.imports import looked, remembered
from tunedoctor.probes.runtime import importing, runtime_of

_UNSEEN = "nothing was imported (--no-import): whether its packages start was not seen"


def searched(case: Case) -> tuple[Case, tuple[Found, ...]]:
    """Return the findings to cure, and the case with all that was looked at for them.

    Where a look without running finds nothing, what the last deep look of the unchanged environment told counts; else
    its packages are imported.
    """
    wish = case.wish
    if wish.new:
        return case, ()
    found = chosen(diagnose(case.snapshot, case.checks), wish.ids)
    interpreter, packages = case.snapshot.find(Interpreter), case.snapshot.find(Packages)
    if (
        wish.deep
        or wish.no_import
        or interpreter is None
        or not (packages and packages.distributions)
    ):
        return case, found
    if _applicable(case, found) or remembered(case.snapshot):
        return case, found
    sys.stderr.write("doctor: its files show nothing that fix can cure; importing its packages\n")
    with spinner() as one:
        told = runtime_of(
            interpreter.executable, interpreter.version, os.environ, importing(), one.watch
        )
    case = case._replace(snapshot=looked(case.snapshot, told))
    return case, chosen(diagnose(case.snapshot, case.checks), wish.ids)


def nothing(case: Case) -> Answer:
    """Return the answer where there is nothing to cure, with the notes that are advice."""
    ids = case.wish.ids
    if ids:
        return Answer(
            end="nothing", target=case.place, why=f"{' and '.join(ids)} was not found here"
        )
    diagnosis = diagnose(case.snapshot, case.checks)
    told = case.snapshot.find(Runtime)
    held = remembered(case.snapshot)
    return Answer(
        end="nothing",
        target=case.place,
        notes=tuple(f.check.id for f in diagnosis.causes),
        applicable=_applicable(case, diagnosis.causes),
        look=f"doctor check{case.there}",
        looked=case.snapshot.taken if told else held[1].taken if held else "",
        unproved=_UNSEEN if case.wish.no_import and not (told or held) else "",
    )


def _applicable(case: Case, found: tuple[Found, ...]) -> tuple[str, ...]:
    """Return the findings for which a fix changes something."""
    drafts = drafted(found, case.snapshot, case.options.fixes())
    return tuple(one.id for one in drafts if one.changes)
