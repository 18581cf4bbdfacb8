"""doctor check."""

import sys
import time
from argparse import Namespace

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import judge
from tunedoctor.cli.read import read_input
from tunedoctor.cli.target import aim, starting
from tunedoctor.facts import Interpreter
from tunedoctor.snapshot import SnapshotError, from_json
from tunedoctor.transaction import open_fix


def command(given: Namespace) -> int:
    """Examine this machine, or a snapshot, and print the report; returns the exit code."""
    options, source = Options.of(given), given.source
    began = time.perf_counter()
    if source is not None:
        if given.target is not None or given.own or given.deep:
            misuse("--from judges a snapshot", "leave out --target, --self and --deep")
        data = read_input(source)
        try:
            snapshot = from_json(data)
        except SnapshotError as error:
            misuse(f"{source} is no snapshot: {error}", "doctor snapshot -o FILE writes one")
        return judge(snapshot, options, began)
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415

    place = aim(given.target, own=given.own)
    if given.deep:
        starting(place, quiet=options.quiet)
    with spinner() as one:
        snapshot = take(place, deep=given.deep, watch=one.watch)
    interpreter = snapshot.find(Interpreter)
    if interpreter and (said := open_fix(interpreter.prefix, interpreter.site_packages)):
        sys.stderr.write(f"doctor: {said}\n")
    return judge(snapshot, options, began)
