"""The updated wheel table: rows that `doctor update` derived, kept beside the shipped table and laid over it."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from tunedoctor.versions import pep440

SCHEMA = "doctor.updated_wheels/1"
LARGEST = 4 << 20
"""Bytes of the file that are read; a real one has less than 100 kB."""

_V = r"(?:cpu|xpu|cu\d{2,3}|rocm\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)"
Version = Annotated[str, msgspec.Meta(pattern=r"\A\d{1,4}(?:\.\d{1,4}){1,3}(?:\.post\d{1,3})?\Z")]
Variant = Annotated[str, msgspec.Meta(pattern=rf"\A{_V}\Z")]
Default = Annotated[str, msgspec.Meta(pattern=rf"\A(?:{_V}|cpu\+mps)\Z")]
Python = Annotated[str, msgspec.Meta(pattern=r"\A\d\.\d{1,3}t?\Z")]
Family = Annotated[str, msgspec.Meta(pattern=r"\A(?:linux|win|macos)_[a-z0-9_]{3,10}\Z")]
Tag = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A(?:macosx_\d{1,3}_\d{1,3}|(?:many)?linux(?:\d{1,4}|_2_\d{1,3})?|win)_[a-z0-9_]{3,10}\Z"
    ),
]
Glibc = Annotated[str, msgspec.Meta(pattern=r"\A2\.\d{1,3}\Z")]
Words = Annotated[str, msgspec.Meta(max_length=200)]
Date = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-[01]\d-[0-3]\d\Z")]
Gfx = Annotated[str, msgspec.Meta(pattern=r"\Agfx[0-9a-f]{3,5}\Z")]


class Row(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A release: a row of `releases.items` of the wheel table; its fields are explained there (`how_to_read`)."""

    date: Words | None
    requires_python: Words
    pypi_wheels: dict[Family, dict[Tag, list[Python]]]
    pypi_default: dict[Family, Default]
    cuda: dict[Family, list[Variant]]
    rocm: dict[Family, list[Variant]]
    xpu: Words | None
    torchvision: Words | None
    torchaudio: Words | None
    triton: Words | None
    cudnn_pypi: Words | None
    nccl_pypi: Words | None
    numpy_abi: dict[Words, int]
    unverified: list[Words]
    cuda_toolkit_pypi: Words | None = None
    glibc: dict[Family, dict[Variant, Glibc]] = {}
    """Floors by the platform tags of the files, where the rule of the table would say another."""
    rocm_gfx: dict[Variant, list[Gfx]] = {}
    """gfx targets that a ROCm wheel names in the extras of its requirements."""


class Archs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Compiled code of a wheel: a leaf of `archs.by_release`."""

    set: Words
    basis: Words
    confidence: Words = "verified"
    ptx: list[Words] = []
    ptx_unverified: list[Words] = []


class Overlay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows that differ from the shipped table, whole rows each."""

    as_of: Date
    releases: dict[Version, Row]
    archs: dict[Version, dict[Family, dict[Variant, Archs]]]
    files: dict[Words, Annotated[int, msgspec.Meta(ge=0)]]
    """Project -> files that its page named: a page with fewer is refused the next time."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The file: the payload is checked before it is read."""

    schema: str
    fetched: str
    sources: list[str]
    sha256: str
    payload: msgspec.Raw


class Updated(msgspec.Struct, frozen=True):
    """What the cache holds."""

    overlay: Overlay
    fetched: str
    """UTC, ISO 8601."""
    sources: tuple[str, ...]


class UpdatedError(ValueError):
    """The file is no updated wheel table; the message says why."""


def encoded(overlay: Overlay, fetched: str, sources: list[str]) -> bytes:
    """Return the bytes of the file."""
    from hashlib import sha256  # noqa: PLC0415  at start-up only where there is a file

    payload = msgspec.json.encode(overlay)
    digest = sha256(payload).hexdigest()
    return msgspec.json.encode(_File(SCHEMA, fetched, sources, digest, msgspec.Raw(payload)))


def read(file: Path) -> Updated:
    """Read and check the file.

    Raises:
        UpdatedError: unreadable, too large, another schema, a wrong hash, rows of another shape.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        msg = f"it can't be read: {error.strerror or error}"
        raise UpdatedError(msg) from None
    return decoded(data)


def decoded(data: bytes) -> Updated:
    """Check the bytes of the file and return what they hold.

    Raises:
        UpdatedError: as `read`.
    """
    if len(data) > LARGEST:
        msg = f"it has more than {LARGEST >> 20} MiB"
        raise UpdatedError(msg)
    try:
        file = msgspec.json.decode(data, type=_File)
        if file.schema != SCHEMA:
            msg = f"its schema is {file.schema[:40]!r}; this doctor reads {SCHEMA!r}"
            raise UpdatedError(msg)
        _same_hash(file)
        overlay = msgspec.json.decode(file.payload, type=Overlay)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"it is damaged: {str(error)[:120] or type(error).__name__}"
        raise UpdatedError(msg) from None
    return Updated(overlay, file.fetched[:40], tuple(file.sources))


def _same_hash(file: _File) -> None:
    from hashlib import sha256  # noqa: PLC0415

    if sha256(bytes(file.payload)).hexdigest() != file.sha256:
        msg = "its hash is not that of its contents"
        raise UpdatedError(msg)


def laid_over(shipped: Any, overlay: Overlay) -> Any:  # noqa: ANN401  a table
    """Return the shipped table with the rows of the overlay in place of its own; no other row is touched.

    Raises:
        UpdatedError: a row names a set of code that the shipped table does not have.
    """
    sets = shipped["archs"]["sets"]
    for families in overlay.archs.values():
        for variants in families.values():
            for variant, archs in variants.items():
                if archs.set not in sets:
                    msg = f"{variant} is said to hold the code {archs.set[:20]!r}, which the shipped table lacks"
                    raise UpdatedError(msg)
    items = {**shipped["releases"]["items"], **msgspec.to_builtins(overlay.releases)}
    order = sorted(items, key=lambda version: pep440(version) or pep440("0"))  # type: ignore[arg-type, return-value]
    rocm = {version: row.rocm.get("linux_x86_64", []) for version, row in overlay.releases.items()}
    by_release = {**shipped["archs"]["by_release"], **msgspec.to_builtins(overlay.archs)}
    return {
        **shipped,
        "as_of": overlay.as_of,
        "newest_torch": order[-1],
        "pytorch_index": {**shipped["pytorch_index"], "files": overlay.files},
        "releases": {
            **shipped["releases"],
            "items": {version: items[version] for version in order},
        },
        "archs": {**shipped["archs"], "by_release": by_release},
        "rocm": {
            **shipped["rocm"],
            "index_by_release": {**shipped["rocm"]["index_by_release"], **rocm},
        },
    }
