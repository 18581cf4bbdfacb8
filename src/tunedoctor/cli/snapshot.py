"""doctor snapshot."""

import sys
from argparse import Namespace

from tunedoctor.cli.files import write_or_exit
from tunedoctor.cli.output import write
from tunedoctor.cli.target import aim, look, starting
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity
from tunedoctor.render.json import ascii_of


def command(given: Namespace) -> int:
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
