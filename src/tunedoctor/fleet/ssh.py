"""Hosts by OpenSSH, as the user's own configuration reaches them; what runs there comes through standard input."""

import re
import time
from collections.abc import Iterator
from functools import partial

from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet import beside, parcel
from tunedoctor.fleet.reply import How, Reply
from tunedoctor.system import child
from tunedoctor.system.reading import read_regular

_HOST = re.compile(r"[A-Za-z0-9_\[][\w.@:\[\]-]{0,254}")
"""What ssh takes as a host and neither ssh nor a command of its configuration takes for more."""
_OPTIONS = (
    # nobody is there to type; a connection that the user holds open is used, none is left open
    *("-T", "-x", "-a", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes"),
    *("-o", "ServerAliveInterval=15", "-o", "LogLevel=ERROR"),
)
_CONNECT = 15


def hosts(wanted: str) -> list[str]:
    """Return hosts named with commas, or in the lines of @FILE; ValueError or OSError says why not."""
    text = wanted
    if wanted.startswith("@"):
        text = read_regular(wanted[1:], 4 << 20).decode("utf-8", "replace")
        text = ",".join(line.partition("#")[0] for line in text.splitlines())
    found = list(dict.fromkeys(one for part in text.split(",") for one in part.split()))
    for one in found:
        if not _HOST.fullmatch(one):
            raise ValueError(f"{clean_text(one)[:80]!r} is no host")  # noqa: EM102, TRY003
    if not found:
        raise ValueError(f"{clean_text(wanted)[:80]!r} names no host")  # noqa: EM102, TRY003
    return found


def collect(wanted: str, how: How) -> Iterator[Reply]:
    """Ask them all, so many side by side; ValueError where none is named."""
    sent = parcel.payload(how)
    return beside.replies([partial(_answer, one, how, sent) for one in hosts(wanted)], how.at_once)


def _answer(host: str, how: How, sent: bytes) -> list[Reply]:
    argv = ["ssh", *_OPTIONS, "-o", f"ConnectTimeout={_CONNECT}", "--", host, f"exec sh -c '{parcel.COMMAND}'"]
    began = time.monotonic()
    ended = child.run(argv, timeout=how.seconds + _CONNECT + 5, stdin=sent, limit=2 * parcel.LARGEST)
    seconds = time.monotonic() - began
    said = clean_text(ended.err).strip()[-200:]
    if ended.out or ended.ok:
        return [parcel.reply(host, ended.out, seconds)]
    return [Reply(host, problem=said if ended.how == "exit" and said else ended.death, seconds=seconds)]
