"""Environment variables that steer the stack, without credentials."""

import os
import re
from collections.abc import Mapping

from tunedoctor.facts import Environment
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

SET = "set"
"""Stands for a value that is nobody's business."""

_SECRET_WORDS = ("TOKEN", "KEY", "SECRET", "PASSW", "USERNAME", "CREDENTIAL", "AUTH")


def is_secret(name: str) -> bool:
    """Tell whether a variable's name says that its value is a secret."""
    plain = name.upper().replace("TOKENIZER", "")
    return any(word in plain for word in _SECRET_WORDS)


def without_credentials(text: str) -> str:
    """Return `text` with user, password, query and fragment taken out of every URL in it."""
    if "://" not in text:
        return text
    return re.sub(r"(?<=://)([^\s,;|'\"<>]+)", lambda found: _plain(found[1]), text)


def _plain(rest: str) -> str:
    """Clean what follows "://"."""
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    if "@" in host:
        return host.rpartition("@")[2] + slash + path
    # a password that holds a slash: user:pass/word@host/path
    if "@" in path and re.search(r":(?!\d*$)", host):
        return path.rpartition("@")[2]
    return rest


NAMES = frozenset(table("probes")["variables"])
PREFIXES = tuple(table("probes")["variable_prefixes"])
PRESENCE_ONLY = frozenset(table("probes")["presence_only"])


@probe(Environment)
def environment() -> Environment:
    """Take the variables of the allow-list from the doctor's own environment."""
    return select(os.environ)


def select(variables: Mapping[str, str]) -> Environment:
    """Take the variables of the allow-list; of secrets and proxies only "set"."""
    taken: dict[str, str] = {}
    for name in sorted(variables):
        if name.upper() in PRESENCE_ONLY:
            taken[name] = SET
        elif name in NAMES or name.startswith(PREFIXES):
            taken[name] = SET if is_secret(name) else without_credentials(variables[name])
    return Environment(variables=taken)
