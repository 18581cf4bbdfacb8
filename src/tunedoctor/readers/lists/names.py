"""Names and versions of packages as lists print them."""

import re
from functools import cache, lru_cache

from tunedoctor.tables.load import table
from tunedoctor.versions import normalised as pep503

NAME = r"[A-Za-z](?:[\w.-]{0,98}[A-Za-z0-9])?"
VERSION = r"\d[\w.+!-]{0,60}"
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s{0,3}[\w.*+!-]{1,60}"
SPECIFIER = rf"{_CLAUSE}(?:\s{{0,3}},\s{{0,3}}{_CLAUSE}){{0,9}}"
_NVIDIA_WHEEL = re.compile(r"nvidia-[a-z0-9-]{2,40}-cu\d{2}$")
_SDIST = re.compile(rf"({NAME})-(\d[\w.+!]{{0,60}})(?:\.tar\.gz|\.zip)$")


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """Return a name as PEP 503 has it, by the name under which it is installed: PyTorch is torch."""
    plain = pep503(name.strip()).strip("-")
    return str(table("distributions")["aliases"].get(plain, plain))


@cache
def _names(*keys: str) -> frozenset[str]:
    return frozenset(name for key in keys for name in table("distributions")[key])


def known(name: str) -> bool:
    """Tell whether a normalised name belongs to the stack."""
    return name in _names("stack", "listed") or _NVIDIA_WHEEL.match(name) is not None


def no_package(name: str) -> bool:
    """Tell the first word of lines that look like rows of a list and are none."""
    return name in _names("not_packages")


def compact(specifier: str) -> str:
    """Return a specifier without blanks and without a comma at its end."""
    return "".join(specifier.split()).strip(",").rstrip(".")


def version_of_wheel(file: str) -> tuple[str, str]:
    """Split the name of a wheel or sdist: ("torch", "2.6.0+cu124"); ("", "") where it is none."""
    plain = re.split("[#?]", file.replace("%2B", "+").replace("%2b", "+"), maxsplit=1)[0]
    plain = re.split(r"[\\/]", plain.rstrip("/"))[-1].removesuffix(".metadata")
    pieces = plain.split("-")
    if plain.endswith(".whl"):
        return (normalised(pieces[0]), pieces[1]) if len(pieces) >= 5 else ("", "")
    found = _SDIST.match(plain)
    return (normalised(found[1]), found[2]) if found else ("", "")
