"""doctor check and doctor snapshot: what is here, judged or written down."""

import sys
import time
from argparse import Namespace

from tunedoctor.cli.options import Options, aim, look, starting
from tunedoctor.cli.output import judge, read_snapshot, write, write_or_exit
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity
from tunedoctor.facts import Interpreter
from tunedoctor.render.screen import ascii_of
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


def snapshot(given: Namespace) -> int:
    """Take a snapshot and write it, whole or not at all; returns the exit code."""
    out, place = given.output, aim(given.target, own=given.own)
    if given.deep:
        starting(place)
    data = snapshot_json(look(place, deep=given.deep), this_identity(shared=not given.keep_host))
    if out == "-":
        write(ascii_of(data))
        return 0
    write_or_exit(out, data, private=True)
    sys.stderr.write(
        f"doctor: wrote {out} ({len(data) // 1000} kB, redacted); doctor check --from reads it\n"
    )
    return 0
