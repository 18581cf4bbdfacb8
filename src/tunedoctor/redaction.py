"""Take out what names a person or a machine. Everything that leaves the doctor passes through here.

Home folders become `~`. Secrets, user and host names, addresses, serial numbers and UUIDs become short hashes that are
equal for equal values, so that two places that name one thing still do. What secrets look like is tables/secrets.json;
besides, what stands behind the name of a secret goes, and long words that no one would choose for a name.
"""

import os
import re
import sys
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from tunedoctor.lazy import pattern
from tunedoctor.snapshot import Snapshot, to_data
from tunedoctor.tables.load import table
from tunedoctor.tables.secrets import Kind, bits, expression, mixed, present

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Identity(NamedTuple):
    """What would give this user and machine away."""

    home: str
    user: str
    host: str
    plain: str = ""
    """The host name that may be told: this machine's, in what stays on it."""


_DONE = re.compile(
    r"(?:token|secret|login|uuid|mac|serial|ip|user|host|mail)-[0-9a-f]{6}(?![0-9a-z])"
)
"""What stands for something already: redacting twice changes nothing."""
_NEEDS_QUOTES = r"""(?=[^'\n]*(?:[^\w@%+=:,./'\n-]|'"'))"""
"""What follows is the rest of a word that `shlex.quote` had to quote; a plain path in quotes is prose."""

_VERSION_FIELDS = frozenset(
    "version requires metadata requires_python conda packages torch_version winner_version own_version driver cuda"
    " library".split()
)
_VERSION_BEFORE = pattern(
    r"(?:nvidia-\S{1,40}|[-_](?:cu|rocm)\d{0,3}|version|driver|[=<>~!]=|v)[ :=(]{0,8}$",
    re.IGNORECASE,
)
"""Four-part versions, as of nvidia-cublas-cu12 12.6.4.1, look like addresses."""
_WHEELS = pattern(r"nvidia-(?:cu|nv)|cudnn|cublas|curand|cusparse|cusolver|cufft")

_VALUE = re.compile(
    r"[\w.-]{0,60}+(?P<close>\\{0,3}[\"'`]?[\])]{0,2})"
    r"(?P<sep>[ \t]{0,20}(?:=>|:=|:[ \t]{0,4}(?:str|string|bytes|secretstr)[ \t]{0,4}=|!?={1,3}|:|>)[ \t]{0,20}"
    r"(?:[|>][+-]?[ \t]{0,4}\n[ \t]{1,20})?(?:[\[({]?\n?[ \t]{0,40}(?=[\"']))?"
    r"|[ \t]{1,4}value[ \t]{0,4}=[ \t]{0,4}(?=[\"'])"
    r"|[ \t]{0,4},[ \t]{0,4}(?=[\"'])|[ \t]{0,20}[|\u2502\u2503][ \t]{0,8}|[ \t]{1,20}(?:(?:is|was)[ \t]{1,4})?)"
    r"(?:[rbfu]{1,2}(?=[\"']))?"
    r"(?:\\{1,3}[\"'](?P<e>[^\"'\\\n]{1,4000}+)|\"(?P<d>(?:[^\"\\\n]|\\[^\n]){1,4000}+)"
    r"|'(?P<s>(?:[^'\\\n]|\\[^\n]){1,4000}+)|`(?P<b>[^`\n]{1,4000}+)|(?P<p>[^\s\"'`<>]{1,4000}+))",
    re.IGNORECASE,
)
"""What follows a word of the name of a secret: the rest of the name, what stands between, and the value."""
_LEFT = re.compile(r"(?s:.{0,60})[^\w-]")
_NEXT = re.compile(r"[,;&|](?=[\w.-]{1,60}[=:])|[,;)\]}]{1,8}[.:]?$|[.,:]$")
"""Where a value without quotes ends within its word: before another name, or at what closes."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PLACEHOLDER = pattern(
    r"<|\$(?:[A-Za-z_]\w*$|[({])|%\w+%|\{|\*+$|\*{3}|[xX.\u2022-]{3,}$|\[|\(|@\w+@$|your[-_ ]|https?:"
)
_CODE = pattern(r"[A-Za-z_][A-Za-z_.]{0,80}(?:[(\[].*|$)", re.DOTALL)
_PATH = pattern(r"~?[\\/]|\.{1,2}/|[A-Za-z]:[\\/]")
_WORDS = re.compile(r"[A-Za-z0-9+/_=.~-]{16,}")
_PIECES = re.compile(r"[A-Za-z0-9+_~-]{16,}={0,2}")
_TAIL = pattern(r"(?<=[_-])[A-Za-z0-9+~]{20,4000}={0,2}$")
_ISSUED = pattern(r"[A-Za-z0-9+/=_-]{1,4000}")
_KEY = pattern(r"(?i)secret|private|access|key|token|password")
_HEX = re.compile(r"[0-9a-fA-F]{24,}")
_OF_FILES = pattern(
    r"(?i)(?:commit|rev(?:ision)?|sha-?\d{0,3}|hash|git|md5|digest|checksum|build(?:[ -]?id)?|blob|tree|snapshot|image|layer"
    r"|etag|from|head|at)[\"']?[ :=@(]{0,4}[\"']?$|[+@/\\#]$|0x$|[\w.]-$|_$"
)
_OF_SOURCES = pattern(r"(?i)checkout|clang|llvm|roc-\d|git (?:reset|show|log|cherry-pick)|\.git")
"""What stands before the hash of something public: at its end, or somewhere on the left."""


def this_identity(*, shared: bool = False) -> Identity:
    """Return who and where we are, without starting anything or asking a network.

    `shared`: for what is made to be given away; else the machine's own name stays plain.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  pathlib raises where there is no home
    user = os.environ.get("USER") or os.environ.get("USERNAME") or os.path.basename(home)  # noqa: PTH119
    host = _host_name()
    return Identity(home if len(home) > 1 else "", user, host, "" if shared else host)


def _host_name() -> str:
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


def hashed(kind: str, value: str) -> str:
    """Return a short stable stand-in: "uuid-1f0a9c"; one of these stands for itself."""
    if _DONE.fullmatch(value):
        return value
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports have nothing to hash

    return f"{kind}-{hashlib.sha256(f'{kind}:{value}'.encode('utf-8', 'replace')).hexdigest()[:6]}"


def redact_text(text: str, who: Identity, *, addresses: bool = True) -> str:
    """Return `text` without what names a person or machine. `addresses`: IP addresses too."""
    if len(text) < 4:
        return text
    redacted = _short if len(text) <= _SHORT else _redacted
    return redacted(text, who, addresses)


_SHORT = 300
"""Characters of a text that is remembered: reports repeat names of checks and reasons by the hundred."""


def _redacted(text: str, who: Identity, addresses: bool) -> str:  # noqa: FBT001  for the cache
    assigned = False
    for kind in present(text, "text"):
        if kind.token and not assigned:
            text, assigned = _assigned(text), True  # behind headers and logins, before tokens
        if addresses or kind.hide != "ip":
            if kind.hide == "user":
                text = _own_home(text, who)
            text = expression(kind).sub(lambda m, k=kind: _hidden(m, k, who), text)
    text = text if assigned else _assigned(text)
    text = _own_home(text, who)
    for name, what in ((who.user, "user"), ("" if who.plain else who.host, "host")):
        if len(name) > 2 and name.lower() not in _words("nobody") and name.lower() in text.lower():
            own = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            text = re.sub(own, hashed(what, name), text, flags=re.IGNORECASE)
    return _WORDS.sub(_opaque, text)


_short = lru_cache(maxsize=4096)(_redacted)


def _own_home(text: str, who: Identity) -> str:
    if not who.home or who.home not in text:
        return text
    # a shell puts no home folder in the place of a ~ inside of quotes: they begin behind it
    text = re.sub(rf"(?<![^\s=(])'{re.escape(who.home)}/{_NEEDS_QUOTES}", "~/'", text)
    return re.sub(rf"{re.escape(who.home)}(?![\w.-])", "~", text)


def _hidden(found: "re.Match[str]", kind: Kind, who: Identity) -> str:
    """Return what was found with its groups that name something in the place of which stand-ins are."""
    whole, start = found[0], found.start()
    groups = {"s": kind.hide, "t": kind.hide, "h": "host", "g": "user"}
    parts = [(found.span(g), what) for g, what in groups.items() if g in found.groupdict()]
    for (begin, end), what in sorted(parts or [(found.span(), kind.hide)], reverse=True):
        value = found.string[begin:end]
        if begin < 0 or not _holds(value, what, kind, found, who):
            continue
        if value[0] == value[-1] and value[0] in "\"'" and len(value) > 2:
            begin, end, value = begin + 1, end - 1, value[1:-1]
        whole = whole[: begin - start] + hashed(what, value) + whole[end - start :]
    return whole


def _holds(value: str, what: str, kind: Kind, found: "re.Match[str]", who: Identity) -> bool:
    """Tell whether what an expression found is what it looks like."""
    low = value.lower()
    if _DONE.fullmatch(value):
        return False
    if what in ("user", "host"):
        own = who.plain and low.partition(".")[0] == who.plain.lower().partition(".")[0]
        numbers = low.replace(".", "").isdigit()
        return not (low in _words("nobody") or (what == "host" and own) or numbers)
    if what == "secret" and (low in _words("harmless") or _PLACEHOLDER.match(value)):
        return False
    if (kind.floor and bits(value) < kind.floor) or (kind.mixed and not mixed(value)):
        return False
    match kind.check:
        case "ipv4":
            return _address(value, found)
        case "ipv6":
            return value not in ("::1", "::") and (
                value.count(":") == 7 or value[:2].lower() in ("fe", "fd", "fc", "20", "24", "26", "28", "2a", "2c")
                or value.count(":") > 3 or value.startswith(("64:ff", "::ffff"))
            )  # fmt: skip
        case "mixed-hex":
            return any(c.isdigit() for c in value) and len(set(low)) > 3
        case "digit":
            return any(c.isdigit() for c in value)
        case "somebody":
            return not low.startswith("git@") and not low.endswith(("example.com", "example.org"))
    return True


def _address(text: str, found: "re.Match[str]") -> bool:
    if any(int(p) > 255 for p in text.split(".")) or text.startswith("127.") or text == "0.0.0.0":  # noqa: S104  compared
        return False
    if _VERSION_BEFORE.search(found.string[max(0, found.start() - 60) : found.start()]):
        return False
    # a version of an NVIDIA wheel, where a text speaks of such wheels: they go from 8 to 13
    first = int(text.partition(".")[0])
    if not 8 <= first <= 13 or not _WHEELS.search(found.string):
        return True
    return first == 10 and "curand" not in found.string


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(table("secrets")["names"][name])


@cache
def _ends() -> tuple[str, ...]:
    return tuple(_words("ends"))


@cache
def _hits() -> "re.Pattern[str]":
    return pattern(table("secrets")["names"]["hit"], re.IGNORECASE)


def _assigned(text: str) -> str:
    """Hide what stands behind the name of a secret, however the two are written."""
    out: list[str] = []
    done = 0
    for hit in _hits().finditer(text):
        if hit.start() < done or _DONE.match(text, hit.start()):
            continue
        if not (found := _VALUE.match(text, hit.start())):
            continue
        before = text[max(done, hit.start() - 60) : hit.start()]
        left = _LEFT.match(before)
        start = hit.start() - (len(before) - left.end() if left else len(before))
        span = _value(text, start, found)
        if span:
            out += [text[done : span[0]], hashed("secret", text[span[0] : span[1]])]
            done = span[1]
    return "".join([*out, text[done:]]) if done else text


def _value(text: str, start: int, found: "re.Match[str]") -> tuple[int, int] | None:
    """Return where the value is of a name that begins at `start`, if it is a secret."""
    group = str(found.lastgroup)
    begin, end = found.span(group)
    if group == "p":
        cut = _NEXT.search(text, begin, end)
        end = cut.start() if cut else end
    name, value = text[start : found.start("close")], text[begin:end]
    sep = found["sep"].strip()
    option = name.startswith("-")
    strong = bool(sep.strip(",|\u2502\u2503")) and sep not in ("is", "was")
    before = text[max(0, start - 2) : start]
    if (sep == ">" and before[-1:] != "<") or (sep == ":" and before[-1:] == "$") or before == "${":
        return None
    if option and not strong:
        strong = not value.startswith("-") and not value.isupper()
    strong = strong or (group in "sd" and sep in ("", "is", "was") and "passw" in name.lower())
    prose = (
        group == "p" and sep == ":" and value.isalpha() and value.islower() and text[end : end + 1] == " "
        and name.isalpha()
    )  # fmt: skip
    if not value or prose or not is_secret(name, value, strong=strong, quoted=group != "p"):
        return None
    return begin, end


def is_secret(name: str, value: str, *, strong: bool = True, quoted: bool = True) -> bool:
    """Tell whether a value under a name is a secret. `strong`: the name is certainly its name."""
    parts = [p.lower() for p in _PARTS.findall(name)]
    pairs = list(zip(parts, parts[1:], strict=False))
    one, mild = _words("one"), _words("mild")
    sure = {p for p in parts if p in one} | {a + b for a, b in pairs if a + b in one}
    sure |= {f"{a} {b}" for a, b in pairs if f"{a} {b}" in _words("two")}
    sure |= {p for p in parts if p.endswith(_ends())}
    low = value.lower().strip(" _-.!")
    done = _DONE.fullmatch(value) if strong else _DONE.search(value)
    if not sure or len(low) < 3 or low in _words("harmless") or done:
        return False
    if _PLACEHOLDER.match(value) or low in name.lower() or _words("benign") & {parts[-1]} - sure:
        return False
    password = any(p.startswith(("pass", "secret", "kenn")) for p in sure)
    if value.isdigit() and not (password and strong and len(value) > 3):
        return strong and len(value) > 13
    if sure <= mild and (not strong or sure == {"key"} or _words("benign") & {*parts}):
        return parts[-1] in sure and _looks_issued(value, 10 if strong else 14)
    if _PATH.match(value) and not password:
        return False
    if not strong:
        return len(value) > 5 and mixed(value) and (bits(value) > 4.5 or _looks_issued(value, 12))
    return quoted or not (
        _CODE.fullmatch(value)
        and ("(" in value or ("." in value and bits(value) < 5.5) or any(p in value.lower() for p in parts))
    )


def _looks_issued(word: str, least: int) -> bool:
    """Tell what some service gave out, where its name says that there is something: letters among digits."""
    digits = sum(c.isdigit() for c in word)
    return len(word) >= least and (
        (digits > 2 and len(word) - digits > 2 and _ISSUED.fullmatch(word) is not None)
        or _looks_random(word, least)
    )


def _looks_random(word: str, least: int) -> bool:
    """Tell a word of chance from a name that people or compilers made, by the bits of its characters."""
    if len(word) < least or not mixed(word):
        return False
    if _HEX.fullmatch(word):
        return len(set(word)) > 9 and len(word) >= 32
    if not any(c.isdigit() for c in word):
        return bits(word) > 7
    return bits(word) >= (6.2 if len(word) < 24 else 5.7 if len(word) < 32 else 5.4)


def _opaque(found: "re.Match[str]") -> str:
    """Hide the pieces of a long word that are no name, no hash of something public, and no part of a path."""
    word, text = found[0], found.string
    if not mixed(word) or _DONE.search(word):
        return word
    before = text[max(0, found.start() - 100) : found.start()]
    if word[0] in "/.~" or before[-1:] in ("/", "\\") or _OF_FILES.search(before):
        return word
    if _HEX.match(word) and _OF_SOURCES.search(before):
        return word
    if "/" in word:
        whole = len(word) >= 32 and any(c.isupper() for c in word) and bits(word) > 6.3
        return hashed("secret", word) if whole and "." not in word else word
    near = (before[-40:] + word).lower()
    service = any(s in near for s in table("secrets")["services"])
    called = service and _KEY.search(near)

    def hide(piece: "re.Match[str]") -> str:
        rest = word[: piece.start()]
        if rest and _OF_FILES.search(rest):
            return piece[0]
        tail = _TAIL.search(piece[0])
        is_one = (
            _looks_issued(piece[0], 12) if called else _looks_random(piece[0], 16 if service else 20)
        ) or (tail and _KEY.search(piece[0], 0, tail.start()) and _looks_random(tail[0], 20))
        return hashed("secret", piece[0]) if is_one else piece[0]

    return _PIECES.sub(hide, word)


def redact(data: Any, who: Identity, field: str = "") -> Any:  # noqa: ANN401  any JSON
    """Redact every string in plain data, keys too."""
    if isinstance(data, str):
        if field and is_secret(field, data):
            return hashed("secret", data)
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
