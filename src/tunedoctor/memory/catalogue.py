"""A shape from what a user calls a model: a name of the catalogue or a variant of one, a size as "7B"."""

import re

from msgspec.structs import replace

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.family import KNOWN
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.load import table
from tunedoctor.tables.small import ModelRow, models

_SIZE = re.compile(r"^(\d{1,4}(?:\.\d{1,3})?)\s*([bBmM])$")
_BETWEEN = 1.35
"""A size is taken for the model of the catalogue that is no further off than this factor."""
_TYPICAL = ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-13b-hf", "meta-llama/Llama-3.3-70B-Instruct",
            "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-3B")  # fmt: skip
"""Of several as near, the plainest."""


def named(text: str) -> Shape:
    """Return the shape of a model of the catalogue, of a variant of one, or of one that is as large as "7B" says.

    A name is taken without its owner and without the words of the catalogue that stand for a stage of training or for a
    packing: these leave the shape as it is. Raises MemoryModelError, with near names, where not exactly one fits.
    """
    rows = models()
    wanted = text.strip()
    if size := _SIZE.match(wanted):
        return _sized(wanted, float(size[1]) * (1e9 if size[2] in "bB" else 1e6), rows)
    for told in (str.lower, _bare, _short):
        asked = told(wanted)
        found = [row for row in rows if asked in (told(row.name), *map(told, row.alike))]
        if asked and len(found) == 1:
            return _variant(wanted, found[0])
    near = [row.name for row in found] or _near(_short(wanted), rows)
    hint = f" (is it {' or '.join(near)}?)" if near else ""
    raise MemoryModelError(f"no model of the catalogue is called {wanted[:80]!r}{hint}")


def like(text: str, most: int = 3) -> list[str]:
    """Return names of the catalogue that have all the words of a text, else some that are written much like it."""
    words, rows = text.lower().replace("/", " ").split(), models()
    names = dict.fromkeys(name for row in rows for name in (row.name, *row.alike) if "/" in name)
    found = [
        name for name in names if len(text) > 2 and all(word in name.lower() for word in words)
    ]
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
        what = f"the catalogue has no model of about {text} parameters to go by"
        raise MemoryModelError(f"{what}; give its config.json")
    shape = _shape(nearest, f"{text} (shape of {nearest.name})")
    return replace(shape, exact=False, like=nearest.name)


def _bare(name: str) -> str:
    return name.strip().lower().rpartition("/")[2]


def _words(name: str) -> list[str]:
    """Return the words of a name: "mistralai/Mistral-7B-Instruct-v0.3" -> mistral, 7b, instruct, v0.3."""
    return _bare(name).replace("_", "-").replace(" ", "-").split("-")


def _short(name: str) -> str:
    """Return what names the shape: "Meta-Llama-3.1-8B-Instruct" and "llama3.1-8b" are both "llama3.1-8b"."""
    idle: dict[str, str] = table("models")["words"]
    return "".join(word for word in _words(name) if word not in idle)


def _near(wanted: str, rows: tuple[ModelRow, ...]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    shorts = {_short(name): name for row in rows for name in (*row.alike, row.name)}
    inside = [full for short, full in shorts.items() if len(wanted) > 2 and wanted in short]
    return inside[:3] or [shorts[one] for one in get_close_matches(wanted, shorts, 2)]
