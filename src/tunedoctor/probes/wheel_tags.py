"""Find out whether a distribution was built for another Python than the target's.

A file name alone proves nothing: a cp310-abi3 wheel may contain a library x.cpython-310-x86_64-linux-gnu.so that it
opens by its path. So the tags in WHEEL decide (PEP 425, PEP 384), as pip compared them at the install. If no tag
fits, or WHEEL does not exist, the files that the target's import system would load decide.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

_SOABI = re.compile(r"(?:cpython-|cp)(\d)(\d+)(t?)d?-")
_TAG = re.compile(rb"^Tag:[ \t]*([\w.]{1,60})-([\w.]{1,60})-[\w.]{1,200}[ \t]*\r?$", re.MULTILINE)
_NAMED_FOR = re.compile(rb"\.((?:cpython-|cp)\d+t?)d?-[^/,\n]{1,60}\.(?:so|pyd),")
_EXTENSION = re.compile(rb"^([^\n,\"]{1,1000}\.(?:so|pyd)),", re.MULTILINE)
_PYTHON = re.compile(r"(py|cp)(\d)(\d*)")
_MOST_READ = 20
"""Most libraries of one distribution that are searched for an initialisation function."""


class Abi(NamedTuple):
    """The release and the kind of a CPython."""

    major: int
    minor: int
    free_threaded: bool

    @property
    def tag(self) -> str:
        """Python tag as in WHEEL: cp311, cp313t."""
        return f"cp{self.major}{self.minor}{'t' * self.free_threaded}"


def abi_of(soabi: str) -> Abi | None:
    """Return the ABI of an interpreter from its SOABI or extension suffix, None if it is not CPython."""
    match = _SOABI.match(soabi)
    return Abi(int(match[1]), int(match[2]), bool(match[3])) if match else None


def fits(python: str, abi: str, own: Abi) -> bool:
    """Return whether an interpreter accepts a wheel with this pair of tags.

    It is more lenient than pip in one point: cp310-none has no ABI, so a later Python can run it.
    """
    match = _PYTHON.fullmatch(python)
    if match is None or int(match[2]) != own.major:
        return False
    at_most = not match[3] or int(match[3]) <= own.minor
    if abi == "none":
        return at_most
    if match[1] == "py":
        return False
    if abi == "abi3":
        return at_most and not own.free_threaded
    return abi.rstrip("dmu") == own.tag


def tags_of(wheel: bytes) -> list[tuple[str, str]]:
    """Return the pairs of Python tag and ABI tag in a WHEEL file, with compressed sets expanded."""
    return [
        (python, abi)
        for pythons, abis in _TAG.findall(wheel)
        for python in pythons.decode("ascii", "replace").split(".")
        for abi in abis.decode("ascii", "replace").split(".")
    ]


def other_python(
    record: bytes, soabi: str, wheel: Callable[[], bytes], library: Callable[[str], bytes]
) -> str:
    """Return the tag of the Python that a distribution was built for if it is another one, else "".

    `wheel` returns the text of WHEEL, `library` the content of a file of RECORD; both are called only if needed.
    """
    own = abi_of(soabi)
    if own is None or _has_own(record, own) or not _EXTENSION.search(record):
        return ""
    match = _NAMED_FOR.search(record)
    tags = tags_of(wheel())
    if not tags:
        # without WHEEL the names are all there is; an abi3 library is for any Python
        return "" if match is None or b".abi3.so," in record else match[1].decode()
    if any(fits(*pair, own) for pair in tags):
        return ""
    if match:
        return match[1].decode()
    return tags[0][0] if any(_initialises(path, library) for path in _untagged(record)) else ""


def _has_own(record: bytes, own: Abi) -> bool:
    """Return whether RECORD lists an extension whose name has this Python's tag."""
    number = f"{own.major}{own.minor}{'t' * own.free_threaded}"
    names = (f".cpython-{number}-", f".cp{number}-")
    return any(name.encode() in record for name in names)


def _untagged(record: bytes) -> Iterator[str]:
    """Yield the libraries in a RECORD whose names the import system of any Python accepts."""
    for count, match in enumerate(_EXTENSION.finditer(record)):
        if count == _MOST_READ:
            return
        yield match[1].decode("utf-8", "replace")


def _initialises(path: str, library: Callable[[str], bytes]) -> bool:
    """Return whether a library is an extension module: it has the function that an import calls."""
    return f"PyInit_{PurePosixPath(path).name.partition('.')[0]}".encode() in library(path)
