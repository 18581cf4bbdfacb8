"""Take out what names a person or a machine. Everything that leaves the doctor passes through here.

Home folders become `~`. Secrets, user and host names, addresses, serial numbers and UUIDs become short hashes that are
equal for equal values, so that two places that name one thing still do. What they look like is tables/secrets.json;
besides, what stands behind the name of a secret goes, and long words that nobody would choose for a name.
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
from tunedoctor.tables.secrets import Kind, bits, expression, mixed, names, parted, present, shape
from tunedoctor.tables.secrets import services as services_in
from tunedoctor.target.safe_text import as_json

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Identity(NamedTuple):
    """What would give this user and machine away."""

    home: str
    user: str
    host: str
    plain: str = ""
    """The host name that may be told: this machine's, in what stays on it."""


_NEEDS_QUOTES = r"""(?=[^'\n]*(?:[^\w@%+=:,./'\n-]|'"'))"""
"""What follows is the rest of a word that `shlex.quote` had to quote; a plain path in quotes is prose."""
_LEFT = pattern(r"(?s:.{0,60})[^\w-]")
_WORDS = re.compile(r"[A-Za-z0-9+/_=.~-]{16,}")
_PIECES = re.compile(r"[A-Za-z0-9+_~-]{16,}={0,2}")
_TAIL = re.compile(r"(?<=[_-])[A-Za-z0-9+~]{20,4000}={0,2}$")
_ADDRESS = re.compile(r"(?<![A-Za-z0-9])[a-z][a-z+]{1,12}://[^\s\"'<>`|?#]{12,2000}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{12,200}")
_HEX = re.compile(r"[0-9a-fA-F]{24,}")
_GLIMPSE = 300
"""Characters of a value by which it is judged; the rest of a longer one goes with them."""
_RESTS = {"p": pattern(r"[^\s\"'`<>]+"), **{q: pattern(r"[^\"'`\n]+") for q in "edsb"}}


def this_identity(*, shared: bool = False) -> Identity:
    """Return who and where we are, without starting anything or asking a network.

    `shared`: for what is made to be given away; else the machine's own name stays plain.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  pathlib raises where there is no home
    user = os.environ.get("USER") or os.environ.get("USERNAME") or os.path.basename(home)  # noqa: PTH119
    host = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return Identity(home if len(home) > 1 else "", user, host, "" if shared else host)


def hashed(kind: str, value: str) -> str:
    """Return a short stable stand-in: "uuid-1f0a9c"; one of these stands for itself."""
    if shape("done").fullmatch(value):
        return value
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports have nothing to hash

    return f"{kind}-{hashlib.sha256(f'{kind}:{value}'.encode('utf-8', 'replace')).hexdigest()[:6]}"


def redact_text(text: str, who: Identity, *, addresses: bool = True) -> str:
    """Return `text` without what names a person or machine, or acts on a terminal. `addresses`: IP addresses too."""
    text = inert(text)
    if len(text) < 4 or _is_name(text, who):
        return text
    return (_short if len(text) <= _SHORT else _redacted)(text, who, addresses)


def without_secrets(text: str) -> str:
    """Return `text` without what has the shape of a secret: names stay, as of files in what a user is told."""
    for kind in present(text, "text"):
        if kind.hide == "secret":
            hidden = partial(_hidden, kind=kind, who=Identity("", "", ""))
            text = expression(kind).sub(hidden, text)
    return text


def _is_name(text: str, who: Identity) -> bool:
    """Tell a name in small letters and hyphens, as of a check: nothing that is given out looks so."""
    own = (name for name in (who.user, who.host) if len(name) > 2)
    plain = text.replace("-", "").isalpha() and text.islower()
    return plain and not any(name.lower() in text for name in own)


_SHORT = 300
"""Characters of a text that is remembered: reports repeat names of checks and reasons by the hundred."""


def _redacted(text: str, who: Identity, addresses: bool) -> str:  # noqa: FBT001  for the cache
    """Redact until nothing changes: what was hidden can let the rest be seen for what it is."""
    for _ in range(4):
        text, before = _once(text, who, addresses=addresses), text
        if text == before:
            break
    return text


def _once(text: str, who: Identity, *, addresses: bool) -> str:
    assigned = False
    for kind in present(text, "text"):
        if kind.token and not assigned:
            text, assigned = _assigned(text), True  # behind headers and logins, before tokens
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
    # a shell puts no home folder in the place of a ~ inside of quotes: they begin behind it
    text = re.sub(rf"(?<![^\s=(])'{re.escape(who.home)}/{_NEEDS_QUOTES}", "~/'", text)
    return re.sub(rf"{re.escape(who.home)}(?![\w.-])", "~", text)


def _hidden(found: "re.Match[str]", kind: Kind, who: Identity) -> str:
    """Return what was found, with stand-ins for its groups that name something."""
    whole, start = found[0], found.start()
    groups = {"s": kind.hide, "t": kind.hide, "h": "host", "g": "user"}
    parts = [(found.span(g), what) for g, what in groups.items() if g in found.groupdict()]
    for (begin, end), what in sorted(parts or [(found.span(), kind.hide)], reverse=True):
        value = found.string[begin:end]
        if begin < 0 or begin == end or not _holds(value, what, kind, found, who):
            continue
        quotes = value[0] == value[-1] and value[0] in "\"'" and len(value) > 2
        at, to = begin + quotes - start, end - quotes - start
        whole = whole[:at] + hashed(what, whole[at:to]) + whole[to:]
    return whole


def _holds(value: str, what: str, kind: Kind, found: "re.Match[str]", who: Identity) -> bool:
    low = value.lower()
    if what in ("user", "host"):
        own = who.plain and low.partition(".")[0] == who.plain.lower().partition(".")[0]
        number = low.replace(".", "").isdigit()
        if kind.check == "folder" and low in names("folders"):
            return False
        if kind.check == "host" and _is_public(low):
            return False
        return not (low in names("nobody") or (what == "host" and own) or number)
    named = not kind.token and what == "secret"
    if named and (low in names("harmless") or shape("placeholder").match(value)):
        return False
    if (kind.mixed and not mixed(value)) or (kind.check == "address" and _is_version(value, found)):
        return False
    return not kind.floor or bits(value) >= kind.floor


def _is_public(host: str) -> bool:
    """Return whether a host is one of a public service, which names nobody."""
    return any(host == one or host.endswith(f".{one}") for one in names("public hosts"))


def _without_tokens(found: "re.Match[str]") -> str:
    """Return an address without the parts of its path that some service gave out."""
    scheme, _, rest = found[0].partition("://")
    host, *parts = rest.split("/")
    if _is_public(host.lower().rpartition("@")[2].partition(":")[0]):
        return found[0]
    for at, part in enumerate(parts):
        announced = at > 0 and bool(shape("announces").fullmatch(parts[at - 1]))
        hexadecimal = _HEX.fullmatch(part)  # the hash of a file, a commit
        if len(part) > 11 and (announced or not hexadecimal) and _TOKEN.fullmatch(part):
            random = _looks_issued(part, 12) if announced else _looks_random(part, 16)
            parts[at] = (
                hashed("secret", part) if random and not shape("done").search(part) else part
            )
    return f"{scheme}://{'/'.join((host, *parts))}"


def _is_version(number: str, found: "re.Match[str]") -> bool:
    """Tell versions of four parts, as of nvidia-cublas-cu12 12.6.4.1, which look like addresses."""
    if shape("version before").search(found.string[max(0, found.start() - 60) : found.start()]):
        return True
    # where a text speaks of NVIDIA's wheels: their versions go from 8 to 13
    first = int(number.partition(".")[0])
    if not 8 <= first <= 13 or not shape("wheels").search(found.string):
        return False
    return first != 10 or "curand" in found.string


def _assigned(text: str) -> str:
    """Hide what stands behind the name of a secret, however the two are written."""
    low = text.lower()
    if not any(word in low for word in names("hit")):
        return text
    out: list[str] = []
    done = 0
    for hit in shape("hit").finditer(text):
        if hit.start() < done or shape("done").match(text, hit.start()):
            continue
        if found := shape("value").match(text, hit.start()):
            before = text[max(done, hit.start() - 60) : hit.start()]
            left = _LEFT.match(before)
            if span := _value(text, hit.start() - len(before) + (left.end() if left else 0), found):
                out += [text[done : span[0]], hashed("secret", text[span[0] : span[1]])]
                done = span[1]
    return "".join([*out, text[done:]]) if done else text


def _value(text: str, start: int, found: "re.Match[str]") -> tuple[int, int] | None:
    """Return where the value is of a name that begins at `start`, if it is a secret."""
    group, sep = str(found.lastgroup), found["sep"].strip()
    begin, end = found.span(group)
    if group == "p" and (cut := shape("end").search(text, begin, end)):
        end = cut.start()
    name, value = text[start : found.start("close")], text[begin:end]
    before = text[max(0, start - 2) : start]
    if (sep == ">" and before[-1:] != "<") or (sep == ":" and before[-1:] == "$") or before == "${":
        return None  # no element of XML; $PWD:/x and ${TOKEN:-x} name none
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
    """Tell whether a value under a name is a secret. `strong`: the name is certainly its name."""
    parts, sure = parted(name)
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
    known = sure == {"key"} or word or any(p in names("benign") for p in parts)
    if sure <= {*names("mild")} and (known or not strong):
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
    """Tell what some service gave out, where its name says that there is something: letters among digits."""
    digits = sum(c.isdigit() for c in word)
    among = digits > 2 and len(word) - digits > 2 and shape("issued").fullmatch(word)
    return len(word) >= least and bool(among or _looks_random(word, least))


def _looks_random(word: str, least: int) -> bool:
    """Tell a word of chance from a name that people or compilers made, by the bits of its characters."""
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


def _opaque(found: "re.Match[str]") -> str:
    """Hide the pieces of a long word that are no name, no hash of something public, and no part of a path."""
    word, text = found[0], found.string
    before = text[max(0, found.start() - 100) : found.start()]
    path = word[0] in "/.~" or before[-1:] in ("/", "\\") or shape("of files").search(before)
    source = _HEX.match(word) and shape("of sources").search(before)
    if not mixed(word) or shape("done").search(word) or path or source:
        return word
    if "/" in word:
        whole = len(word) >= 32 and any(c.isupper() for c in word) and bits(word) > 6.3
        return hashed("secret", word) if whole and "." not in word else word
    near = (before[-40:] + word).lower()
    service = services_in(near)
    called = service and shape("called").search(near)

    def hide(piece: "re.Match[str]") -> str:
        one, tail = piece[0], _TAIL.search(piece[0])
        public = shape("of files").search(word[max(0, piece.start() - 20) : piece.start()])
        if public or shape("mangled").match(one):
            return one
        random = _looks_issued(one, 12) if called else _looks_random(one, 16 if service else 20)
        named = tail and shape("called").search(one, 0, tail.start()) and _looks_random(tail[0], 20)
        return hashed("secret", one) if random or named else one

    return _PIECES.sub(hide, word)


def redact(data: Any, who: Identity, field: str = "") -> Any:  # noqa: ANN401  any JSON
    """Redact every string in plain data, keys too."""
    if isinstance(data, str):
        if field and is_secret(field, data):
            return hashed("secret", data)
        if field and shape("names a host").fullmatch(field):
            # in a snapshot the name of a variable is the key of its value
            return redact_text(f"{field}={data}", who).partition("=")[2]
        return redact_text(data, who, addresses=field not in names("versions"))
    if isinstance(data, dict):
        # their keys are names of packages, or ids of checks, and not of what stands under them
        inherited = field if field in names("versions") or field in names("outcomes") else ""
        return {
            redact_text(str(k), who, addresses=False): redact(v, who, inherited or str(k))
            for k, v in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [redact(item, who, field) for item in data]
    return data


def snapshot_json(snapshot: Snapshot, who: Identity) -> bytes:
    """Return a snapshot as JSON, redacted. The only way by which one is written."""
    data = redact(to_data(snapshot if who.plain else unnamed(snapshot)), who)
    text = msgspec.json.format(msgspec.json.encode(data), indent=1).decode()
    return f"{as_json(text)}\n".encode()


def unnamed(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot to be given away: names of its machine, one hash for each."""
    if (node := snapshot.find(Node)) is None:
        return snapshot
    host, name = (one and hashed("host", one) for one in (node.host, node.name))
    return snapshot.having(structs.replace(node, host=host, name=name))


def public(answer: Answer, who: Identity) -> Answer:
    """Return a report or another answer without what names a person or machine. The only way by which one is shown."""
    return msgspec.convert(redact(msgspec.to_builtins(answer), who), type(answer))
