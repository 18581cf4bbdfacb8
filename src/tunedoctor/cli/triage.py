"""doctor triage."""

import sys
import time
from argparse import Namespace
from pathlib import Path

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import judge
from tunedoctor.cli.read import read_log
from tunedoctor.cli.target import aim
from tunedoctor.facts import Target
from tunedoctor.readers.read import read_report
from tunedoctor.snapshot import Snapshot


def command(given: Namespace) -> int:
    """Diagnose pasted reports; returns the exit code."""
    options, sources = Options.of(given)._replace(shared=not given.keep_host), given.files
    began = time.perf_counter()
    if len(sources) > 1 or Path(sources[0]).is_dir():
        if given.here:
            misuse("--here is for one report", "name the one that this machine printed")
        from tunedoctor.cli.triage_many import triage_many  # noqa: PLC0415

        return triage_many(options, sources)
    if (given.own or given.target is not None) and not given.here:
        misuse("--target is an environment of this machine", "add --here to look at it too")
    (source,) = sources
    log = read_log(source)
    snapshot = read_report(log.text, log.numbers)
    if given.here:
        snapshot = _with_this_machine(snapshot, aim(given.target, own=given.own))
    return judge(snapshot, options, began)


def _with_this_machine(told: Snapshot, place: Target) -> Snapshot:
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415
    from tunedoctor.readers.merge import joined  # noqa: PLC0415

    with spinner() as one:
        here = take(place, watch=one.watch)
    both = joined(told, here)
    for why in both.left_out:
        sys.stderr.write(f"doctor: {why}\n")
    return both.snapshot
