"""What uv and pip answer, read in one place: solutions, explanations and errors. Nothing is put into other words.

uv derives: "Because A==1 depends on B>=2 and you require B<2, we can conclude that …". Its premises say why there is no
solution; what it concludes from them on the way is left out.
"""

import re
import textwrap
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.clean import clean_text
from tunedoctor.reading import toml
from tunedoctor.versions import normalised

LONGEST = 400
"""Characters of an explanation that are shown."""

_CONCLUSION = re.compile(r",? (?:and )?we can conclude that .*?(?:\.(?= |$)(?: \(\d+\))?|$)")
_PREMISE = re.compile(
    r"(?:^| )(?:And b|B)ecause (?:we know from \(\d+\) that .*?(?: and |(?= And because |$)))?"
)
_NAME = r"(?<![\w.=<>!~,-])([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_ONE = rf"{_NAME}(?:\[[^\]\s]*\]|\{{[^}}]*\}})*(?:[<>=!~]\S*)?"
_NAMED = re.compile(
    rf"{_NAME}(?=[\[{{<>=!~]| depends? on| ha(?:s|ve) no | was not found)"
    rf"|(?:depends? on|require|versions? of) {_NAME}"
)
_NO_WHEEL = re.compile(rf"{_ONE} (?:ha(?:s|ve) no (?:usable )?wheels?\b|was not found in the )")
_NO_VERSION = re.compile(
    rf"(?:no versions? of|only the following versions of) {_ONE}|only {_ONE} (?:is|are) available"
)


class Pin(NamedTuple):
    """A package of a solution."""

    name: str
    version: str
    via: tuple[str, ...] = ()
    """Who wants it; () where it was asked for alone."""
    hashes: tuple[str, ...] = ()
    """Of all its files: "sha256:…"."""
    size: int = 0
    """Bytes of its largest wheel; 0 where nobody tells."""


class NoSolution(NamedTuple):
    """uv proved that there is none."""

    text: str
    """Its explanation, whole."""

    @property
    def premises(self) -> tuple[str, ...]:
        """What uv starts from, in its order and words, without head and hints."""
        whole = " ".join(" ".join(self.text.partition("\nhint")[0].split()).split("╰─▶"))
        for head in ("cause: ", "resolving dependencies:"):
            whole = whole.rpartition(head)[2]
        parts = _PREMISE.split(_CONCLUSION.sub("", " ".join(whole.split())))
        return tuple(filter(None, (part.strip(" ,.") for part in parts)))

    def why(self, *about: str) -> str:
        """Return the premises that name one of some packages, else all, in one line of bounded length."""
        every = self.premises
        told = [one for one in every if set(about) & {*_names(_NAMED, (one,))}] or every
        return (
            textwrap.shorten("; ".join(told), LONGEST, placeholder=" …")
            or "uv found no solution and did not say why"
        )

    @property
    def blamed(self) -> tuple[str, ...]:
        """Packages that the premises name, in their order."""
        return tuple(name for name in _names(_NAMED, self.premises) if name != "python")

    @property
    def lacked(self) -> tuple[str, ...]:
        """Packages of which the sources lack what is wanted."""
        return tuple(dict.fromkeys((*self.unwheeled, *_names(_NO_VERSION, self.premises))))

    @property
    def unwheeled(self) -> tuple[str, ...]:
        """Packages of which no wheel fits the platform and Python, or that nobody has."""
        return _names(_NO_WHEEL, self.premises)


def _names(form: re.Pattern[str], lines: Iterable[str]) -> tuple[str, ...]:
    found = (name for line in lines for one in form.finditer(line) for name in one.groups() if name)
    return tuple(dict.fromkeys(map(normalised, found)))


_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(\S+)")


def pins_of(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file with their hashes and uv's remarks; other lines are passed over."""
    pins: list[Pin] = []
    for line in text.splitlines():
        if found := _PIN.match(line):
            pins.append(Pin(normalised(found[1]), found[2]))
        if pins and not line.startswith("#"):
            last = pins[-1]
            wanted = line.partition("# via ")[2]
            owners = (
                () if "-r " in wanted else tuple(filter(None, map(str.strip, wanted.split(","))))
            )
            pins[-1] = last._replace(
                via=last.via or owners, hashes=(*last.hashes, *_HASH.findall(line))
            )
    return tuple(pins)


def locked(text: str) -> tuple[Pin, ...]:
    """Return the packages of a pylock.toml as uv writes it; () where it can't be read."""
    try:
        found = msgspec.convert(toml(text), _Lock)
    except ValueError:
        return ()
    return tuple(
        Pin(
            normalised(one.name),
            one.version,
            (),
            tuple(f"sha256:{f.hashes['sha256']}" for f in one.wheels if "sha256" in f.hashes),
            max((f.size for f in one.wheels), default=0),
        )
        for one in found.packages
    )


def lock_of(pins: Iterable[str]) -> str:
    """Return a pylock.toml of pins, whose versions uv keeps where it can."""
    pairs = (pin.split("==", 1) for pin in pins)
    packages = (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in pairs
    )
    return "".join(('lock-version = "1.0"\ncreated-by = "doctor"\n', *packages))


class _Wheel(msgspec.Struct):
    hashes: dict[str, str] = {}
    size: int = 0


class _Locked(msgspec.Struct):
    name: str
    version: str = ""
    wheels: tuple[_Wheel, ...] = ()


class _Lock(msgspec.Struct):
    packages: tuple[_Locked, ...] = ()


_MARK = re.compile(r"^[^\w\s`'\"<>/(-]+ |^(?:error|cause|ERROR): ")
"""What uv and pip put before the parts of an error."""
_GONE_WELL = ("Using ", "Resolved ", "Prepared ", "Audited ", "WARNING:", "[notice]")


def said(text: str) -> str:
    """Return what uv said, cleaned, without warnings and their causes."""
    kept: list[str] = []
    warning = False
    for line in clean_text(text).splitlines():
        if not line.startswith((" ", "\t")):
            warning = line.startswith("warning:")
        if not warning and line.strip():
            kept.append(line.rstrip())
    return "\n".join(kept)


def why(text: str) -> str:
    """Return in one line why uv or pip failed, in its own words."""
    lines = [line.strip() for line in said(text).splitlines()]
    # what was done before it failed is no reason; pip ends with what stopped it
    kept = [one for one in lines if not one.startswith(_GONE_WELL)][:3]
    kept = [one for one in lines if one.startswith("ERROR: ")][-1:] or kept
    return "; ".join(_MARK.sub("", one) for one in kept)[:300] or "it said nothing"
