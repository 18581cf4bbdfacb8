"""Hosts reached by OpenSSH with the user's own configuration."""

import re
import time
from collections.abc import Generator
from functools import partial

from tunedoctor.fleet import payload
from tunedoctor.fleet.fanout import Put, expect, replies
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.system import child
from tunedoctor.system.reading import read_regular

_HOST = re.compile(r"[A-Za-z0-9_\[][\w.@:\[\]-]{0,254}", re.ASCII)
"""A host name that cannot be an option for ssh or a command in its configuration."""
_SETTINGS = ("BatchMode=yes", "ControlMaster=no", "ClearAllForwardings=yes", "LogLevel=ERROR")
"""No one is there to type; an open connection of the user's is reused, and none is left open."""
_CONNECT = 15


def collect(hosts_or_file: str, how: CollectOptions) -> Generator[Reply]:
    """Ask hosts, separated by commas or in the lines of @FILE. Raises ValueError if there are none."""
    text = hosts_or_file
    if hosts_or_file.startswith("@"):
        try:
            lines = read_regular(hosts_or_file[1:], 4 << 20).decode("utf-8", "replace").splitlines()
        except OSError as error:
            msg = f"{plain(hosts_or_file[1:])} can't be read: {error.strerror or error}"
            raise ValueError(msg) from None
        text = ",".join(line.partition("#")[0] for line in lines)
    hosts = list(dict.fromkeys(text.replace(",", " ").split()))
    if wrong := [host for host in hosts or [hosts_or_file] if not _HOST.fullmatch(host)]:
        raise ValueError(f"{plain(wrong[0])!r} is not a host name")
    expect("ssh")
    sent = payload.payload(how)
    return replies([partial(_answer, host, how.seconds, sent) for host in hosts], how.at_once)


def _answer(host: str, most: float, sent: bytes, put: Put) -> None:
    settings = [
        f"-o{setting}"
        for setting in (*_SETTINGS, f"ConnectTimeout={_CONNECT}", "ServerAliveInterval=15")
    ]
    argv = ["ssh", "-T", "-x", "-a", *settings, "--", host, f"exec sh -c '{payload.COMMAND}'"]
    began = time.monotonic()
    completed = child.run(argv, timeout=most + _CONNECT + 5, stdin=sent, limit=2 * payload.LARGEST)
    seconds = time.monotonic() - began
    why = (completed.how == "exit" and plain(completed.err[-200:], 200)) or completed.death
    silent = Reply(host, problem=why, seconds=seconds)
    put(payload.reply(host, completed.out, seconds) if completed.out else silent)
