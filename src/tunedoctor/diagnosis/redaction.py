"""Remove what identifies a person or a machine. Everything that leaves doctor passes through here.

Home folders become `~`. Secrets, user and host names, addresses, serial numbers and UUIDs become short hashes that are
equal for equal values, so that one thing named in two places stays recognisable. Their patterns are in
tables/secrets.json; values after names of secrets, and long words that look random, are hashed as well.
"""

import os
import re
import sys
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import structs

from tunedoctor.facts import Node
from tunedoctor.facts.clean import inert
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Snapshot, to_data
from tunedoctor.tables.secrets import (
    SecretKind,
    bits,
    expression,
    mixed,
    names,
    present,
    shape,
    split_name,
)
from tunedoctor.tables.secrets import services as services_in
from tunedoctor.target.safe_text import as_json

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Identity(NamedTuple):
    """Names and paths that would identify this user and machine."""

    home: str
    user: str
    host: str
    plain: str = ""
    """The host name that may be shown: this machine's own, in output that stays on it."""


_NEEDS_QUOTES = r"""(?=[^'\n]*(?:[^\w@%+=:,./'\n-]|'"'))"""
"""Matches if the rest of the word is one that `shlex.quote` had to quote; a plain path in quotes is prose."""
_LEFT = pattern(r"(?s:.{0,60})[^\w-]")
_WORDS = re.compile(r"[A-Za-z0-9+/_=.~-]{16,}")
_PIECES = re.compile(r"[A-Za-z0-9+_~-]{16,}={0,2}")
_TAIL = re.compile(r"(?<=[_-])[A-Za-z0-9+~]{20,4000}={0,2}$")
_ADDRESS = re.compile(r"(?<![A-Za-z0-9])[a-z][a-z+]{1,12}://[^\s\"'<>`|?#]{12,2000}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{12,200}")
_HEX = re.compile(r"[0-9a-fA-F]{24,}")
_GLIMPSE = 300
"""Characters of a value that are examined; the rest of a longer one is treated the same."""
_RESTS = {"p": pattern(r"[^\s\"'`<>]+"), **{q: pattern(r"[^\"'`\n]+") for q in "edsb"}}


def this_identity(*, shared: bool = False) -> Identity:
    """Return this user and machine without starting a program or using the network.

    `shared`: for output that is given away; otherwise the machine's own name stays readable.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  pathlib raises where there is no home
    user = os.environ.get("USER") or os.environ.get("USERNAME") or os.path.basename(home)  # noqa: PTH119
    host = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return Identity(home if len(home) > 1 else "", user, host, "" if shared else host)


def hashed(kind: str, value: str) -> str:
    """Return a short stable replacement: "uuid-1f0a9c"; a replacement is returned unchanged."""
    if shape("done").fullmatch(value):
        return value
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports have nothing to hash

    return f"{kind}-{hashlib.sha256(f'{kind}:{value}'.encode('utf-8', 'replace')).hexdigest()[:6]}"


def redact_text(text: str, who: Identity, *, addresses: bool = True) -> str:
    """Return `text` without what identifies a person or machine or controls a terminal. `addresses`: also IPs."""
    text = inert(text)
    if len(text) < 4 or _is_name(text, who):
        return text
    return (_short if len(text) <= _SHORT else _redacted)(text, who, addresses)


def without_secrets(text: str) -> str:
    """Return `text` without anything shaped like a secret; names stay, such as files in messages to the user."""
    for kind in present(text, "text"):
        if kind.hide == "secret":
            hidden = partial(_hidden, kind=kind, who=Identity("", "", ""))
            text = expression(kind).sub(hidden, text)
    return text


def _is_name(text: str, who: Identity) -> bool:
    """Return whether a text is a name in small letters and hyphens, such as a check id; no secret looks like that."""
    own = (name for name in (who.user, who.host) if len(name) > 2)
    plain = text.replace("-", "").isalpha() and text.islower()
    return plain and not any(name.lower() in text for name in own)


_SHORT = 300
"""Longest text whose result is cached: reports repeat check names and reasons by the hundred."""


def _redacted(text: str, who: Identity, addresses: bool) -> str:  # noqa: FBT001  for the cache
    """Redact until nothing changes: hiding one part can make another recognisable."""
    for _ in range(4):
        text, previous = _once(text, who, addresses=addresses), text
        if text == previous:
            break
    return text


def _once(text: str, who: Identity, *, addresses: bool) -> str:
    assigned = False
    for kind in present(text, "text"):
        if kind.token and not assigned:
            text, assigned = _assigned(text), True  # after headers and logins, before tokens
        if addresses or kind.hide != "ip":
            if kind.hide == "user":
                text = _own_home(text, who)
            text = expression(kind).sub(partial(_hidden, kind=kind, who=who), text)
    text = _own_home(text if assigned else _assigned(text), who)
    for name, what in ((who.user, "user"), ("" if who.plain else who.host, "host")):
        low = name.lower()
        if len(name) > 2 and low not in names("nobody") and low in text.lower():
            own = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            text = re.sub(own, hashed(what, name), text, flags=re.IGNORECASE)
    if "://" in text:
        text = _ADDRESS.sub(_without_tokens, text)
    return _WORDS.sub(_opaque, text)


_short = lru_cache(maxsize=4096)(_redacted)


def _own_home(text: str, who: Identity) -> str:
    if not who.home or who.home not in text:
        return text
    # a shell does not expand ~ inside quotes, so the quotes have to start after it
    text = re.sub(rf"(?<![^\s=(])'{re.escape(who.home)}/{_NEEDS_QUOTES}", "~/'", text)
    return re.sub(rf"{re.escape(who.home)}(?![\w.-])", "~", text)


def _hidden(match: "re.Match[str]", kind: SecretKind, who: Identity) -> str:
    """Return the match with the groups that identify something replaced."""
    whole, start = match[0], match.start()
    groups = {"s": kind.hide, "t": kind.hide, "h": "host", "g": "user"}
    parts = [(match.span(g), what) for g, what in groups.items() if g in match.groupdict()]
    for (begin, end), what in sorted(parts or [(match.span(), kind.hide)], reverse=True):
        value = match.string[begin:end]
        if begin < 0 or begin == end or not _holds(value, what, kind, match, who):
            continue
        quotes = value[0] == value[-1] and value[0] in "\"'" and len(value) > 2
        at, to = begin + quotes - start, end - quotes - start
        whole = whole[:at] + hashed(what, whole[at:to]) + whole[to:]
    return whole


def _holds(value: str, what: str, kind: SecretKind, match: "re.Match[str]", who: Identity) -> bool:
    low = value.lower()
    if what in ("user", "host"):
        own = who.plain and low.partition(".")[0] == who.plain.lower().partition(".")[0]
        number = low.replace(".", "").isdigit()
        if kind.check == "folder" and low in names("folders"):
            return False
        if kind.check == "host" and _is_public(low):
            return False
        return not (low in names("nobody") or (what == "host" and own) or number)
    has_secret_name = not kind.token and what == "secret"
    if has_secret_name and (low in names("harmless") or shape("placeholder").match(value)):
        return False
    if (kind.mixed and not mixed(value)) or (kind.check == "address" and _is_version(value, match)):
        return False
    return not kind.floor or bits(value) >= kind.floor


def _is_public(host: str) -> bool:
    """Return whether a host is that of a public service, which identifies no one."""
    return any(host == name or host.endswith(f".{name}") for name in names("public hosts"))


def _without_tokens(match: "re.Match[str]") -> str:
    """Return an address without the parts of its path that a service issued."""
    scheme, _, rest = match[0].partition("://")
    host, *parts = rest.split("/")
    if _is_public(host.lower().rpartition("@")[2].partition(":")[0]):
        return match[0]
    for at, part in enumerate(parts):
        announced = at > 0 and bool(shape("announces").fullmatch(parts[at - 1]))
        hexadecimal = _HEX.fullmatch(part)  # the hash of a file or a commit
        if len(part) > 11 and (announced or not hexadecimal) and _TOKEN.fullmatch(part):
            random = _looks_issued(part, 12) if announced else _looks_random(part, 16)
            parts[at] = (
                hashed("secret", part) if random and not shape("done").search(part) else part
            )
    return f"{scheme}://{'/'.join((host, *parts))}"


def _is_version(number: str, match: "re.Match[str]") -> bool:
    """Return whether a number is a version of four parts, such as nvidia-cublas-cu12 12.6.4.1, and not an address."""
    if shape("version before").search(match.string[max(0, match.start() - 60) : match.start()]):
        return True
    # next to NVIDIA's wheels, whose versions go from 8 to 13
    first = int(number.partition(".")[0])
    if not 8 <= first <= 13 or not shape("wheels").search(match.string):
        return False
    return first != 10 or "curand" in match.string


def _assigned(text: str) -> str:
    """Hide the values after names of secrets, in all notations."""
    low = text.lower()
    if not any(word in low for word in names("hit")):
        return text
    out: list[str] = []
    done = 0
    for hit in shape("hit").finditer(text):
        if hit.start() < done or shape("done").match(text, hit.start()):
            continue
        if match := shape("value").match(text, hit.start()):
            preceding = text[max(done, hit.start() - 60) : hit.start()]
            left = _LEFT.match(preceding)
            if span := _value(
                text, hit.start() - len(preceding) + (left.end() if left else 0), match
            ):
                out += [text[done : span[0]], hashed("secret", text[span[0] : span[1]])]
                done = span[1]
    return "".join([*out, text[done:]]) if done else text


def _value(text: str, start: int, match: "re.Match[str]") -> tuple[int, int] | None:
    """Return the position of the value after a name that begins at `start`, if it is a secret."""
    group, sep = str(match.lastgroup), match["sep"].strip()
    begin, end = match.span(group)
    if group == "p" and (cut := shape("end").search(text, begin, end)):
        end = cut.start()
    name, value = text[start : match.start("close")], text[begin:end]
    preceding = text[max(0, start - 2) : start]
    if (
        (sep == ">" and preceding[-1:] != "<")
        or (sep == ":" and preceding[-1:] == "$")
        or preceding == "${"
    ):
        return None  # an XML element, or no name, as in $PWD:/x and ${TOKEN:-x}
    words = value.isalpha() and value.islower() and text[end : end + 1] == " "
    if not value or (group == "p" and sep == ":" and words and name.isalpha()):
        return None  # prose: "Token: invalid for this"
    strong = (
        sep not in ("", "is", "was", ",", "|", "\u2502", "\u2503")
        or (name.startswith("-") and not value.startswith("-") and not value.isupper())
        or (group in "sd" and sep in ("", "is", "was") and "passw" in name.lower())
    )
    if not is_secret(name, value, strong=strong, quoted=group != "p"):
        return None
    if end - begin == _GLIMPSE and (rest := _RESTS[group].match(text, end)):
        end = rest.end()
    return begin, end


def is_secret(name: str, value: str, *, strong: bool = True, quoted: bool = True) -> bool:
    """Return whether a value under a name is a secret. `strong`: the name surely belongs to a secret."""
    parts, sure = split_name(name)
    low = value.lower().strip(" _-.!")
    done = shape("done").fullmatch(value) if strong else shape("done").search(value)
    if not sure or len(low) < 3 or low in names("harmless") or done or low in name.lower():
        return False
    benign = parts[-1] in names("benign") and parts[-1] not in sure
    if benign or shape("placeholder").match(value):
        return False
    password = any(p.startswith(("pass", "secret", "kenn")) for p in sure)
    if value.isdigit() and not (password and len(value) > 3):
        return strong and len(value) > 13
    word = len(parts) == 1 and name.islower() and value.isalpha() and len(value) < 9
    has_benign_name = sure == {"key"} or word or any(p in names("benign") for p in parts)
    if sure <= {*names("mild")} and (has_benign_name or not strong):
        return parts[-1] in sure and _looks_issued(value, 10 if strong else 14)
    if not strong:
        return len(value) > 5 and mixed(value) and (bits(value) > 4.5 or _looks_issued(value, 12))
    code = shape("code").fullmatch(value) and (
        "(" in value
        or any(p in value.lower() for p in parts)
        or ("." in value and bits(value) < 5.5)
    )
    return not (shape("path").match(value) and not password) and (quoted or not code)


def _looks_issued(word: str, least: int) -> bool:
    """Return whether a word looks issued by a service, after a name that suggests it: letters among digits."""
    digits = sum(c.isdigit() for c in word)
    among = digits > 2 and len(word) - digits > 2 and shape("issued").fullmatch(word)
    return len(word) >= least and bool(among or _looks_random(word, least))


def _looks_random(word: str, least: int) -> bool:
    """Return whether a word is random, rather than a name by people or compilers, by the bits of its characters."""
    if len(word) < least or not mixed(word):
        return False
    if _HEX.fullmatch(word):
        return len(set(word)) > 9 and len(word) >= 32
    pieces = re.split("[_~+-]", word)
    if len(pieces) > 4 and max(map(len, pieces)) < 13:
        return False  # Cijk_Ailk_Bljk_HHS_BH_MT128x128x16
    if not any(c.isdigit() for c in word):
        return bits(word) > 7
    return bits(word) >= (6.2 if len(word) < 24 else 5.7 if len(word) < 32 else 5.4)


def _opaque(match: "re.Match[str]") -> str:
    """Hide the pieces of a long word that are not names, hashes of public things, or parts of a path."""
    word, text = match[0], match.string
    preceding = text[max(0, match.start() - 100) : match.start()]
    path = word[0] in "/.~" or preceding[-1:] in ("/", "\\") or shape("of files").search(preceding)
    source = _HEX.match(word) and shape("of sources").search(preceding)
    if not mixed(word) or shape("done").search(word) or path or source:
        return word
    if "/" in word:
        whole = len(word) >= 32 and any(c.isupper() for c in word) and bits(word) > 6.3
        return hashed("secret", word) if whole and "." not in word else word
    near = (preceding[-40:] + word).lower()
    service = services_in(near)
    called = service and shape("called").search(near)

    def hide(piece: "re.Match[str]") -> str:
        text_piece, tail = piece[0], _TAIL.search(piece[0])
        public = shape("of files").search(word[max(0, piece.start() - 20) : piece.start()])
        if public or shape("mangled").match(text_piece):
            return text_piece
        random = (
            _looks_issued(text_piece, 12)
            if called
            else _looks_random(text_piece, 16 if service else 20)
        )
        has_secret_tail = (
            tail
            and shape("called").search(text_piece, 0, tail.start())
            and _looks_random(tail[0], 20)
        )
        return hashed("secret", text_piece) if random or has_secret_tail else text_piece

    return _PIECES.sub(hide, word)


def redact(data: Any, who: Identity, field: str = "") -> Any:  # noqa: ANN401  any JSON
    """Redact every string in plain data, including keys."""
    if isinstance(data, str):
        if field and is_secret(field, data):
            return hashed("secret", data)
        if field and shape("names a host").fullmatch(field):
            # in a snapshot, the name of a variable is the key of its value
            return redact_text(f"{field}={data}", who).partition("=")[2]
        return redact_text(data, who, addresses=field not in names("versions"))
    if isinstance(data, dict):
        # the keys here are package names or check ids, and don't describe their values
        inherited = field if field in names("versions") or field in names("outcomes") else ""
        return {
            redact_text(str(k), who, addresses=False): redact(v, who, inherited or str(k))
            for k, v in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [redact(item, who, field) for item in data]
    return data


def snapshot_json(snapshot: Snapshot, who: Identity) -> bytes:
    """Return a snapshot as redacted JSON. The only function that writes one."""
    data = redact(to_data(snapshot if who.plain else unnamed(snapshot)), who)
    text = msgspec.json.format(msgspec.json.encode(data), indent=1).decode()
    return f"{as_json(text)}\n".encode()


def unnamed(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot for sharing: names of its machine become one hash each."""
    if (node := snapshot.find(Node)) is None:
        return snapshot
    host, name = (original and hashed("host", original) for original in (node.host, node.name))
    return snapshot.having(structs.replace(node, host=host, name=name))


def public(answer: StructT, who: Identity) -> StructT:
    """Return a report or another result without what identifies a person or machine. All output passes through here."""
    return msgspec.convert(redact(msgspec.to_builtins(answer), who), type(answer))
