"""doctor snapshot."""

import sys

from tunedoctor.cli.files import write_whole
from tunedoctor.cli.options import misuse
from tunedoctor.cli.progress import spinner
from tunedoctor.live import take
from tunedoctor.redaction import snapshot_json, this_identity


def snapshot(out: str, target: str | None, *, deep: bool, keep_host: bool = False) -> int:
    """Take a snapshot and write it, whole or not at all; returns the exit code."""
    if deep:
        sys.stderr.write("doctor: --deep runs the target's own packages\n")
    with spinner() as one:
        who = this_identity(shared=not keep_host)
        data = snapshot_json(take(target, deep=deep, watch=one.watch), who)
    if out == "-":
        sys.stdout.buffer.write(data)
        return 0
    try:
        write_whole(out, data, private=True)
    except OSError as error:
        misuse(
            f"{out} can't be written: {error.strerror or error}", "name a file in a folder of yours"
        )
    sys.stderr.write(f"doctor: wrote {out} ({len(data) // 1000} kB, redacted)\n")
    return 0
