"""Find a model's shape from a catalogue name, a size such as "7B", or the header of a .gguf file."""

import re
import struct
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from msgspec.structs import replace

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.family import KNOWN
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.load import table
from tunedoctor.tables.small import ModelRow, models

_SIZE = re.compile(r"^(\d{1,4}(?:\.\d{1,3})?)\s*([bBmM])$")
_BETWEEN = 1.35
"""Largest factor between a requested size and the catalogue model that stands for it."""
_TYPICAL = ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-13b-hf", "meta-llama/Llama-3.3-70B-Instruct",
            "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-3B")  # fmt: skip
"""If several models are equally near, the plainest one."""


def find_model(text: str) -> Shape:
    """Return the shape of a catalogue model, of a variant of one, or of one with about the size given as "7B".

    The owner is ignored, and so are words for a stage of training or a packing, because they do not change the shape.
    Raises MemoryModelError, with similar names, unless exactly one model matches.
    """
    rows = models()
    wanted = text.strip()
    if size := _SIZE.match(wanted):
        return _sized(wanted, float(size[1]) * (1e9 if size[2] in "bB" else 1e6), rows)
    for told in (str.lower, _bare, _short):
        needle = told(wanted)
        found = [row for row in rows if needle in (told(row.name), *map(told, row.alike))]
        if needle and len(found) == 1:
            return _variant(wanted, found[0])
    near = [row.name for row in found] or _near(_short(wanted), rows)
    hint = f" (is it {' or '.join(near)}?)" if near else ""
    raise MemoryModelError(f"the catalogue has no model {wanted[:80]!r}{hint}")


def like(text: str, most: int = 3) -> list[str]:
    """Return names of the catalogue that contain all words of a text, else some with a similar spelling."""
    words, rows = text.lower().replace("/", " ").split(), models()
    names = dict.fromkeys(name for row in rows for name in (row.name, *row.alike) if "/" in name)
    found = [n for n in names if len(text) > 2 and all(word in n.lower() for word in words)]
    return sorted(found, key=len)[:most] or _near(_short(text[:80]), rows)[:most]


def _variant(wanted: str, row: ModelRow) -> Shape:
    if _bare(wanted) == _bare(row.name):
        return _shape(row)
    packing: dict[str, str] = table("models")["words"]
    stored = next((packing[word] for word in _words(wanted) if packing.get(word)), "")
    shape = _shape(row, f"{wanted[:200]} (shape of {row.name})")
    return replace(shape, stored=stored or shape.stored)


def _shape(row: ModelRow, name: str = "") -> Shape:
    shape = shape_of(row.config, name or row.name)
    return replace(shape, outside=row.outside) if row.outside else shape


def _sized(text: str, wanted: float, rows: tuple[ModelRow, ...]) -> Shape:
    def distance(row: ModelRow) -> tuple[float, int]:
        ratio = max(row.params / wanted, wanted / row.params)
        return round(ratio, 1), [*_TYPICAL, row.name].index(row.name)

    sparse = {*KNOWN.keys["experts"]}
    dense = (row for row in rows if not row.outside and sparse.isdisjoint(row.config))
    nearest = min(dense, key=distance)
    ratio = max(nearest.params / wanted, wanted / nearest.params)
    if ratio > _BETWEEN:
        what = f"the catalogue has no model of about {text} parameters"
        raise MemoryModelError(f"{what}; give its config.json")
    shape = _shape(nearest, f"{text} (shape of {nearest.name})")
    return replace(shape, exact=False, like=nearest.name)


def _bare(name: str) -> str:
    return name.strip().lower().rpartition("/")[2]


def _words(name: str) -> list[str]:
    """Return the words of a name: "mistralai/Mistral-7B-Instruct-v0.3" -> mistral, 7b, instruct, v0.3."""
    return _bare(name).replace("_", "-").replace(" ", "-").split("-")


def _short(name: str) -> str:
    """Return the part that identifies the shape: "Meta-Llama-3.1-8B-Instruct" and "llama3.1-8b" -> "llama3.1-8b"."""
    idle: dict[str, str] = table("models")["words"]
    return "".join(word for word in _words(name) if word not in idle)


def _near(wanted: str, rows: tuple[ModelRow, ...]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    shorts = {_short(name): name for row in rows for name in (*row.alike, row.name)}
    inside = [full for short, full in shorts.items() if len(wanted) > 2 and wanted in short]
    return inside[:3] or [shorts[match] for match in get_close_matches(wanted, shorts, 2)]


MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_LISTED = 1024
"""Most numbers of an array to keep: some have one for each layer."""
_SHORT, _LONG = 64, 4096
"""Most bytes of a name, and of a text to keep."""
_KEYS, _TENSORS, _ENTRIES = 10_000, 100_000, 16 << 20
"""Most keys, tensors and list entries of a header; real ones have at most 60, 3,000 and 300,000."""
_VERSIONS = (2, 3)
_CUT = "it is incomplete; download it again"


class CutOffError(MemoryModelError):
    """The data ends within the header."""


class Head(NamedTuple):
    """The header, which precedes the weights."""

    values: dict[str, Any]
    """Numbers, texts and short lists of numbers; for other arrays their length."""
    elements: int
    own_head: bool
    """Embeddings and output head are two matrices."""
    end: int
    """Least size of the whole file in bytes."""


class _Cursor:
    """A position in the data that only moves forward, so the work is linear whatever the data says."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, letter: str) -> Any:  # noqa: ANN401  a number or a truth
        try:
            (found,) = struct.unpack_from(f"<{letter}", self.data, self.at)
        except struct.error:
            raise CutOffError(_CUT) from None
        self.at += struct.calcsize(f"<{letter}")
        return found

    def skip(self, size: int) -> bytes:
        begin, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise CutOffError(_CUT)
        return self.data[begin : begin + min(size, _LONG)]

    def text(self) -> str:
        return self.skip(self.number("Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:  # noqa: ANN401  what the file holds
        letters = table("gguf")["read"]["numbers"]
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_lookup(letters, kind, "value"))
        inner, count = self.number("I"), _sane(self.number("Q"), _ENTRIES, "entries in a list")
        if inner == _STRING:
            return self._skip_texts(count)
        letter = _lookup(letters, inner, "value")
        if count <= _LISTED:
            return [self.number(letter) for _ in range(count)]
        self.skip(count * struct.calcsize(f"<{letter}"))
        return count

    def _skip_texts(self, count: int) -> int:
        """Skip texts, of which a vocabulary has hundreds of thousands; each takes at least 8 bytes."""
        size, at, end = struct.Struct("<Q").unpack_from, self.at, len(self.data)
        for _ in range(count):
            if at + 8 > end:
                raise CutOffError(_CUT)
            at += 8 + size(self.data, at)[0]
        self.skip(at - self.at)
        return count


def _lookup(among: Mapping[str, Any], kind: int, what: str) -> Any:  # noqa: ANN401  of the table
    if str(kind) not in among:
        raise MemoryModelError(f"it has a {what} of type {kind}, which .gguf files do not have")
    return among[str(kind)]


def _sane(count: int, most: int, what: str) -> int:
    """Return a count from a file. Raises MemoryModelError if it is larger than in any real file."""
    if count > most:
        raise MemoryModelError(f"it is damaged: it claims {count:,} {what}; download it again")
    return count


def head_of(data: bytes) -> Head:
    """Read the first bytes of a file. Raises CutOffError if the header is longer, MemoryModelError if it is invalid."""
    cursor = _Cursor(data)
    if cursor.skip(4) != MAGIC:
        raise MemoryModelError("it is not a .gguf file")
    if (version := cursor.number("I")) not in _VERSIONS:
        what = f"it has version {version}; doctor reads {_VERSIONS[0]} and {_VERSIONS[1]}, little endian"
        raise MemoryModelError(what)
    tensors = _sane(cursor.number("Q"), _TENSORS, "tensors")
    count = _sane(cursor.number("Q"), _KEYS, "keys")
    values: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.text()
        values[key[:_SHORT]] = cursor.value(cursor.number("I"))
    blocks, elements, last, names = table("gguf")["read"]["tensors"], 0, 0, set[str]()
    for _ in range(tensors):
        names.add(cursor.text()[:_SHORT])
        dimensions = [cursor.number("Q") for _ in range(min(cursor.number("I"), 5))]
        many, (each, size) = prod(dimensions), _lookup(blocks, cursor.number("I"), "weight")
        elements, last = elements + many, max(last, cursor.number("Q") + many // each * size)
    step = values.get("general.alignment", 32)
    step = step if isinstance(step, int) and 0 < step <= 1 << 20 else 32
    return Head(values, elements, "output.weight" in names, -(-cursor.at // step) * step + last)


def shape_of_head(head: Head, name: str) -> Shape:
    """Return the shape of a file's model. Raises MemoryModelError if its architecture is unknown."""
    told, kind = table("gguf")["read"], str(head.values.get("general.architecture"))
    if kind not in told["kinds"]:
        what = f"its architecture {kind[:_SHORT]!r} is unknown to doctor"
        raise MemoryModelError(what)
    vocab = head.values.get("tokenizer.ggml.tokens")
    config = {"vocab_size": vocab if isinstance(vocab, int) else None}
    for part, key in told["keys"].items():
        if (full := f"{kind}.{part}") in head.values:
            config[key] = head.values[full]
    config |= {"model_type": told["kinds"][kind], "tie_word_embeddings": not head.own_head}
    shape = shape_of(config, name)
    if abs(parameters(shape).total - head.elements) > head.elements / 1000:
        what = f"its tensors have {head.elements:,} parameters, but its keys give {parameters(shape).total:,}"
        raise MemoryModelError(what)
    return shape
