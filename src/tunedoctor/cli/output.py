"""Answers in the wanted format, and files of the user: read bounded, written whole and over nothing of others."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, TypeVar

import msgspec

from tunedoctor.cli.options import Options, misuse, refusing
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.gate import prepared
from tunedoctor.diagnosis.redaction import public, this_identity, unnamed
from tunedoctor.diagnosis.report import Report, ReportSmoke, report_of
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import LARGEST, Snapshot, SnapshotError, from_json
from tunedoctor.probes.system import knowledge
from tunedoctor.render.screen import Screen, as_json, as_line, screen_for
from tunedoctor.system.reading import open_regular

if TYPE_CHECKING:
    from tunedoctor.readers.digest import Digest

T = TypeVar("T", bound=msgspec.Struct)
_HANDED = ("/dev/fd/", "/dev/stdin", "/dev/stderr", "/proc/self/fd/")
"""Names of what a shell or a caller has opened, as `<(command)` does: pipes as often as files."""
_EMPTY = ("", "[]")
"""Of a file in which nothing can be lost: a list without entries too."""


def judge(snapshot: Snapshot, options: Options, began: float) -> int:
    """Diagnose, tell it in all formats, return the exit code. `began` is of time.perf_counter."""
    from tunedoctor.cli.formats import tell  # noqa: PLC0415  it needs what stands here

    return tell(report_for(snapshot, options, options.checks(), began), options, snapshot)


def report_for(
    snapshot: Snapshot,
    options: Options,
    checks: tuple[Check, ...],
    began: float,
    smoke: ReportSmoke | None = None,
) -> Report:
    """Diagnose, and return what can be shown.

    A snapshot of another machine or day is judged by the knowledge that is here now, and the report says its age.
    """
    if options.shared:
        snapshot = unnamed(snapshot)
    snapshot = prepared(snapshot.having(knowledge()), options.profile)
    found, gate = diagnose(snapshot, checks), options.gate()
    how = (snapshot, found, checks, options.fixes)
    report = report_of(*how, gate=gate, seconds=time.perf_counter() - began, smoke=smoke)
    return public(report, this_identity(shared=options.shared))


def on_terminal(report: Report, options: Options, stream: TextIO) -> str:
    """Return a report as people read it, in what `stream` can show."""
    from tunedoctor.render import formats, terminal  # noqa: PLC0415

    told = formats.Told(report=report, code=0, partial=options.partial, here=options.here)
    return terminal.render(told, screen(stream), verbose=options.verbose, quiet=options.quiet)


def screen(stream: TextIO | None = None) -> Screen:
    """Return an empty screen for a stream, standard output where none is named."""
    return screen_for(stream or sys.stdout, os.environ)


def show(format_: str, render: Callable[[T, Screen], str], *answers: T) -> None:
    """Write answers, without what names a person or a machine; several as lines of JSON, or screens with a gap."""
    who = this_identity()
    told = [public(one, who) for one in answers]
    if format_ != "json":
        write("\n".join(render(one, screen()) for one in told))
    elif len(told) == 1:
        write(as_json(told[0]))
    else:
        write("".join(map(as_line, told)))


def agreed(question: str, stream: TextIO) -> bool:
    """Ask, and tell whether the answer is yes."""
    stream.write(f"{question} [y/N] ")
    stream.flush()
    said = sys.stdin.readline()
    if not said:  # the input ended, and the cursor stands behind the question
        stream.write("\n")
    return said.strip().lower() in ("y", "yes")


def write(text: str, *, commands: bool = False) -> None:
    """Write to stdout, and at once. `commands`: a CI runner is to obey those in the text."""
    if commands and (write_commands := getattr(sys.stdout, "write_commands", None)):
        write_commands(text)
    else:
        sys.stdout.write(text)
    sys.stdout.flush()


def opened(source: str) -> AbstractContextManager[BinaryIO]:
    """Open a file, or stdin for "-". Raises OSError, for a pipe or a device in a folder too: they may never end."""
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    if source.startswith(_HANDED):
        return os.fdopen(os.open(source, os.O_RDONLY), "rb")
    return open_regular(source)


def read_input(source: str, limit: int = LARGEST, way_out: str = "") -> bytes:
    """Return the bytes of a file, or of stdin for "-"; exits with 2 where that can't be."""
    with _readable(source, way_out), opened(source) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        misuse(f"{source} has more than {limit >> 20} MiB", "cut it down to the part that matters")
    return data


def read_log(source: str) -> "Digest":
    """Return the text of a report of any length, or of stdin for "-"; exits with 2 where that can't be read.

    A long one is read in a stream and comes as a digest.
    """
    from tunedoctor.readers.digest import from_stream  # noqa: PLC0415  other commands read no report

    with _readable(source), opened(source) as file:
        return from_stream(file)


def _readable(source: str, way_out: str = "") -> AbstractContextManager[None]:
    way_out = way_out or "name a file, or - for stdin"
    return refusing(OSError, way_out, f"{source} can't be read: ")


def read_snapshot(source: str, writer: str = "doctor snapshot -o FILE") -> Snapshot:
    """Return the snapshot of a file, or of stdin for "-"; exits with 2 where it is none."""
    with refusing(SnapshotError, f"{writer} writes one", f"{source} is no snapshot: "):
        return from_json(read_input(source))


def refusal(name: str, mark: str, *, force: bool) -> str:
    """Return why a file is not written over; "" where it is new or empty, begins with `mark`, or `force` holds."""
    place = Path(name)
    try:
        if not os.access(f"{place.parent}/", os.W_OK):
            there = "can't be written" if place.parent.is_dir() else "is not there"
            return f"is in a folder that {there}"
        if force or not place.exists():
            return ""
        with open_regular(place) as file:  # a FIFO would be waited for
            start = file.read(len(mark) + 8).decode("utf-8", "replace")
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    own = start.startswith(mark) or start.strip() in _EMPTY
    return "" if own else "is there, and the doctor did not write it"


def ours_or_exit(
    name: str, mark: str, way: str = "name another file", *, force: bool = False
) -> None:
    """Exit with 2 where a file, if one is named, is there or can't be, as `refusal` says; "-" is standard output."""
    if name not in ("", "-") and not is_stream(name) and (why := refusal(name, mark, force=force)):
        parent = Path(name).parent
        make = f"mkdir -p {shlex.quote(str(parent))} makes it"
        misuse(f"{name} {why}", way if parent.is_dir() else make)


def is_stream(name: str) -> bool:
    """Tell what is written to as it stands, and can't be written over: a device, a FIFO, what a shell has opened."""
    place = Path(name)
    there = os.path.exists(name) and not place.is_file() and not place.is_dir()  # noqa: PTH110  never raises
    return there or name.startswith(_HANDED)


def write_whole(name: str, text: str | bytes, *, private: bool = False) -> None:
    """Write beside the place, then rename: a full disk leaves the old file as it was. Raises OSError.

    A stream is written to. `private`: for the user alone to read.
    """
    from tunedoctor.state.folder import keep  # noqa: PLC0415  a check writes none

    place, data = Path(name), text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if is_stream(name):
        with place.open("ab") as stream:
            stream.write(data)
    else:
        keep(place, data, 0o600 if private else 0o644, alone=False)


def write_or_exit(
    name: str,
    text: str | bytes,
    way_out: str = "name a file of yours",
    *,
    private: bool = False,
    said: str | None = None,
) -> None:
    """Write as `write_whole` does, and say so with `said` behind it; exits with 2 where that can't be."""
    with refusing(OSError, way_out, f"{name} can't be written: "):
        write_whole(name, text, private=private)
    if said is not None:
        sys.stderr.write(f"doctor: wrote {name}{said}\n")
