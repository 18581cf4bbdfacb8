"""doctor triage."""

import sys
import time
from argparse import Namespace
from pathlib import Path

from tunedoctor.cli.files import read_log
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import judge
from tunedoctor.cli.target import aim, look
from tunedoctor.readers.read import read_report


def command(given: Namespace) -> int:
    """Diagnose pasted reports; returns the exit code."""
    options, sources = Options.of(given)._replace(shared=not given.keep_host), given.files
    began = time.perf_counter()
    if len(sources) > 1 or Path(sources[0]).is_dir():
        if given.here:
            misuse("--here is for one report", "name the one that this machine printed")
        from tunedoctor.cli.triage_many import triage_many  # noqa: PLC0415

        return triage_many(options, sources)
    log = read_log(sources[0])
    snapshot = read_report(log.text, log.numbers)
    if given.here:
        from tunedoctor.readers.merge import joined  # noqa: PLC0415

        snapshot, left_out = joined(snapshot, look(aim(given.target, own=given.own)))
        for why in left_out:
            sys.stderr.write(f"doctor: {why}\n")
    return judge(snapshot, options, began)
