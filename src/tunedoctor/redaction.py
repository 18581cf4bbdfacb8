"""Take out what names a person or a machine. Everything that leaves the doctor passes through here.

Home folders become `~`. Tokens, user and host names, IP and MAC addresses, serial numbers and UUIDs become short
hashes that are equal for equal values, so that two places that name one thing still do.
"""

import os
import re
import sys
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from tunedoctor.lazy import pattern
from tunedoctor.snapshot import Snapshot, to_data

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Identity(NamedTuple):
    """What would give this user and machine away."""

    home: str
    user: str
    host: str


_COMMON = frozenset(
    [
        "root",
        "user",
        "admin",
        "ubuntu",
        "debian",
        "runner",
        "jovyan",
        "home",
        "python",
        "localhost",
        "linux",
        "docker",
        "nvidia",
        "torch",
        "vm",
        "default",
        "test",
        "build",
    ]
)
"""User and host names that name nobody, and would be found inside other words."""

_TOKENS = pattern(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|sk-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|npm_[A-Za-z0-9]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})|(?<=Bearer )[\w.~+/-]{8,}=*"
)
_SECRET_ASSIGNED = pattern(
    r"(?i)\b([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key)(?![a-z])[\w-]*\s*[=:]\s*[\"']?)"
    r"(?!none\b|null\b|false\b|true\b|set\b)([^\s\"',;]{6,})"
)
_CREDENTIALS = pattern(r"(?<=://)[^/\s:@]{1,200}(?::[^/\s@]{0,200})?@")
_UUIDS = pattern(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_MACS = pattern(r"(?<![0-9a-fA-F:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:])")
_IPV6 = pattern(r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4}){1,4}(?![\w:])")
_IPV4 = pattern(r"(?<![\w.+-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.+-]*\d)")
_VERSION_BEFORE = pattern(
    r"(?:nvidia-\S+|[-_](?:cu|rocm)\d*|version|driver|[=<>~!]=|v)[ :=(]*$", re.IGNORECASE
)
"""Four-part versions, as of nvidia-cublas-cu12 12.6.4.1, look like addresses."""
_WHEELS = pattern(r"nvidia-(?:cu|nv)|cudnn|cublas|curand|cusparse|cusolver|cufft")
_SERIALS = pattern(r"(?i)(\bserial(?:[ _-]?(?:number|no))?\s*[:=]\s*)([\w-]{5,})")
_HOMES = pattern(r"(?<![\w.])(/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)([^/\\\s:\"']{1,64})")

_NEEDS_QUOTES = r"""(?=[^'\n]*(?:[^\w@%+=:,./'\n-]|'"'))"""
"""What follows is the rest of a word that `shlex.quote` had to quote; a plain path in quotes is prose."""

_VERSION_FIELDS = frozenset(
    [
        "version",
        "requires",
        "metadata",
        "requires_python",
        "conda",
        "packages",
        "torch_version",
        "winner_version",
        "own_version",
        "driver",
        "cuda",
        "library",
    ]
)


def this_identity() -> Identity:
    """Return who and where we are, without starting anything or asking a network."""
    home = os.path.expanduser("~")  # noqa: PTH111  pathlib raises where there is no home
    user = os.environ.get("USER") or os.environ.get("USERNAME") or os.path.basename(home)  # noqa: PTH119
    return Identity(home if len(home) > 1 else "", user, _host_name())


def _host_name() -> str:
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


def hashed(kind: str, value: str) -> str:
    """Return a short stable stand-in: "uuid-1f0a9c"."""
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports have nothing to hash

    return f"{kind}-{hashlib.sha256(f'{kind}:{value}'.encode()).hexdigest()[:6]}"


def redact_text(text: str, who: Identity, *, addresses: bool = True) -> str:
    """Return `text` without what names a person or machine. `addresses`: IP addresses too."""
    if len(text) < 4:
        return text
    redacted = _short if len(text) <= _SHORT else _redacted
    return redacted(text, who, addresses)


_SHORT = 300
"""Characters of a text that is remembered: reports repeat names of checks and reasons by the hundred."""


def _redacted(text: str, who: Identity, addresses: bool) -> str:  # noqa: FBT001  for the cache
    text = _TOKENS.sub(lambda m: hashed("token", m[0]), text)
    text = _SECRET_ASSIGNED.sub(lambda m: m[1] + hashed("secret", m[2]), text)
    text = _CREDENTIALS.sub(lambda m: hashed("login", m[0]) + "@", text)
    text = _UUIDS.sub(lambda m: hashed("uuid", m[0].lower()), text)
    text = _MACS.sub(lambda m: hashed("mac", m[0].lower()), text)
    text = _SERIALS.sub(lambda m: m[1] + hashed("serial", m[2]), text)
    if addresses:
        text = _IPV6.sub(_address, text)
        text = _IPV4.sub(_address, text)
    if who.home:
        # a shell puts no home folder in the place of a ~ inside of quotes: they begin behind it
        text = re.sub(rf"(?<![^\s=(])'{re.escape(who.home)}/{_NEEDS_QUOTES}", "~/'", text)
        text = re.sub(rf"{re.escape(who.home)}(?![\w.-])", "~", text)
    text = _HOMES.sub(lambda m: m[1] + _named(m[2]), text)
    for name, kind in ((who.user, "user"), (who.host, "host")):
        if len(name) > 2 and name.lower() not in _COMMON:
            text = re.sub(
                rf"(?<![\w-]){re.escape(name)}(?![\w-])",
                hashed(kind, name),
                text,
                flags=re.IGNORECASE,
            )
    return text


_short = lru_cache(maxsize=4096)(_redacted)


def _named(user: str) -> str:
    done = re.fullmatch(r"user-[0-9a-f]{6}", user)
    return user if done or user.lower() in _COMMON | {"public", "shared"} else hashed("user", user)


def _address(found: "re.Match[str]") -> str:
    text = found[0]
    if "." in text:
        if any(int(p) > 255 for p in text.split(".")):
            return text
        if text.startswith("127.") or text == "0.0.0.0":  # noqa: S104  compared, not bound
            return text
        if _VERSION_BEFORE.search(found.string[max(0, found.start() - 60) : found.start()]):
            return text
        if _of_wheel(text, found.string):
            return text
    return hashed("ip", text)


def _of_wheel(number: str, text: str) -> bool:
    """Tell a version of an NVIDIA wheel from an address, where a text speaks of such wheels. They go from 8 to 13."""
    first = int(number.partition(".")[0])
    if not 8 <= first <= 13 or not _WHEELS.search(text):
        return False
    return first != 10 or "curand" in text


def redact(data: Any, who: Identity, field: str = "") -> Any:  # noqa: ANN401  any JSON
    """Redact every string in plain data, keys too."""
    if isinstance(data, str):
        return redact_text(data, who, addresses=field not in _VERSION_FIELDS)
    if isinstance(data, dict):
        inherited = field if field in _VERSION_FIELDS else ""
        return {
            redact_text(str(k), who, addresses=False): redact(v, who, inherited or str(k))
            for k, v in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [redact(item, who, field) for item in data]
    return data


def snapshot_json(snapshot: Snapshot, who: Identity) -> bytes:
    """Return a snapshot as JSON, redacted. The only way by which one is written."""
    data = redact(to_data(snapshot), who)
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


def public(answer: Answer, who: Identity) -> Answer:
    """Return a report or another answer without what names a person or machine. The only way by which one is shown."""
    return msgspec.convert(redact(msgspec.to_builtins(answer), who), type(answer))
