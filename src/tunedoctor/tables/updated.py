"""The updated wheel table: rows derived by `doctor update`, stored separately and applied to the shipped table."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from tunedoctor.tables.contract_rows import Contracts
from tunedoctor.tables.wheel_rows import VARIANT, StoredRelease, in_order

SCHEMA = "doctor.updated_wheels/4"
LARGEST = 4 << 20
"""Most bytes of the file; a real one has less than 100 kB."""

RELEASE = re.compile(r"\d{1,4}(?:\.\d{1,4}){1,3}(?:\.post\d{1,3})?")
_V = VARIANT.pattern
_CODE = r"(?:[A-Z]\w{0,9}|\d{2,3}[af]?|compute_\d{2,3}|gfx[0-9a-f]{3,5})\??"
_PYTHON = r"\d\.\d{1,3}t?"
_FAMILY = r"(?:linux|win|macos)_[a-z0-9_]{3,10}"
_ROW = re.compile(
    rf"{_V}\n{_FAMILY}\n{_PYTHON}(?: {_PYTHON}){{0,49}}\n(?:\d{{1,3}}\.\d{{1,3}})?\n"
    rf"(?:\d[\d.]{{0,19}} \d[\d.]{{0,19}})?\n(?:{_CODE}(?: {_CODE}){{0,99}})?\n[^\n]{{0,200}}"
)
"""A row of builds, with its columns in lines."""
_DEFAULT = re.compile(rf"{_FAMILY} (?:{_V}|cpu\+mps)")
Version = Annotated[str, msgspec.Meta(pattern=rf"\A{RELEASE.pattern}\Z")]
LONGEST = 200
Words = Annotated[str, msgspec.Meta(max_length=LONGEST)]
Date = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-[01]\d-[0-3]\d\Z")]


class Overlay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Complete rows that differ from the shipped table."""

    as_of: Date
    releases: dict[Version, StoredRelease]
    files: dict[Words, Annotated[int, msgspec.Meta(ge=0)]]
    """Project -> number of files on its page: a page with fewer is refused the next time."""
    contracts: Contracts | None = None
    """The updated table of import contracts, if wheels had news."""


class _UpdatedFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file: the payload's hash is checked before it is parsed."""

    schema: str
    fetched: str
    sources: list[str]
    sha256: str
    payload: msgspec.Raw


class UpdatedError(ValueError):
    """The file is not a valid updated wheel table; the message says why."""


def encoded(overlay: Overlay, fetched: str, sources: list[str]) -> bytes:
    """Return the bytes of the file."""
    from hashlib import sha256  # noqa: PLC0415  at start-up only where there is a file

    payload = msgspec.json.encode(overlay)
    digest = sha256(payload).hexdigest()
    return msgspec.json.encode(_UpdatedFile(SCHEMA, fetched, sources, digest, msgspec.Raw(payload)))


def read(file: Path) -> tuple[Overlay, str]:
    """Return the content of the file, and when it was fetched (UTC, ISO 8601). Raises UpdatedError."""
    try:
        with file.open("rb") as stream:
            return decoded(stream.read(LARGEST + 1))
    except OSError as error:
        raise UpdatedError(f"it can't be read: {error.strerror or error}") from None


def decoded(data: bytes) -> tuple[Overlay, str]:
    """Check the bytes of the file and return its content. Raises UpdatedError, like `read`."""
    from hashlib import sha256  # noqa: PLC0415

    wrong = f"it is larger than {LARGEST >> 20} MiB" if len(data) > LARGEST else ""
    try:
        file = msgspec.json.decode(data, type=_UpdatedFile)
        if file.schema != SCHEMA:
            wrong = f"its schema is {file.schema[:40]!r}; this doctor reads {SCHEMA!r}"
        elif sha256(bytes(file.payload)).hexdigest() != file.sha256:
            wrong = "its hash does not match its contents"
        overlay = msgspec.json.decode(file.payload, type=Overlay)
        if not wrong:
            checked(overlay)
            return overlay, file.fetched[:40]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = wrong or f"it is damaged: {str(error)[:120] or type(error).__name__}"
    raise UpdatedError(wrong)


def checked(overlay: Overlay) -> None:
    """Check every text of the rows. Raises UpdatedError: one does not have the form that the table allows."""
    for version, row in overlay.releases.items():
        defaults = (f"{family} {variant}" for family, variant in row.pypi_default.items())
        rows = ("\n".join(astuple(build)[:-1]) for build in row.builds)
        loose = (row.date or "", row.torchvision, row.torchaudio, *row.unverified)
        bad = [default for default in defaults if not _DEFAULT.fullmatch(default)]
        bad += [row_text for row_text in rows if not _ROW.fullmatch(row_text)]
        bad += [loose_text for loose_text in loose if len(loose_text) > LONGEST]
        if bad:
            raise UpdatedError(f"it is damaged: {version} has {bad[0][:60]!r}")


def laid_over(shipped: Any, overlay: Overlay) -> Any:  # noqa: ANN401  a table
    """Return the shipped table with the overlay's rows applied; a code set that it lacks matches no GPU."""
    rows = msgspec.json.decode(msgspec.json.encode(overlay.releases))
    items = {**shipped["releases"]["items"], **rows}
    order = in_order(items)
    return {
        **shipped,
        "as_of": overlay.as_of,
        "newest_torch": order[-1],
        "pytorch_index": {**shipped["pytorch_index"], "files": overlay.files},
        "releases": {
            **shipped["releases"],
            "items": {version: items[version] for version in order},
        },
    }
