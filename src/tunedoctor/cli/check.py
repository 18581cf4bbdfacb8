"""doctor check."""

import sys
import time
from argparse import Namespace

from tunedoctor.cli.files import read_snapshot
from tunedoctor.cli.options import Options
from tunedoctor.cli.output import judge
from tunedoctor.cli.target import aim, look, starting
from tunedoctor.facts import Interpreter
from tunedoctor.transaction import open_fix


def command(given: Namespace) -> int:
    """Examine this machine, or a snapshot, and print the report; returns the exit code."""
    options, began = Options.of(given), time.perf_counter()
    if given.source is not None:
        return judge(read_snapshot(given.source), options, began)
    place = aim(given.target, own=given.own)
    if given.deep:
        starting(place, quiet=options.quiet)
    snapshot = look(place, deep=given.deep)
    interpreter = snapshot.find(Interpreter)
    if interpreter and (said := open_fix(interpreter.prefix, interpreter.site_packages)):
        sys.stderr.write(f"doctor: {said}\n")
    return judge(snapshot, options, began)
