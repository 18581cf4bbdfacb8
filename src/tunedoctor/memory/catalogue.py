"""A shape from what a user calls a model: a name of the catalogue, a size as "7B"."""

import re

import msgspec

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.small import ModelRow, models

_SIZE = re.compile(r"^(\d{1,4}(?:\.\d{1,3})?)\s*([bBmM])$")
_BETWEEN = 1.35
"""A size is taken for the model of the catalogue that is no further off than this factor."""
_TYPICAL = ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-13b-hf", "meta-llama/Llama-3.3-70B-Instruct",
            "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-3B")  # fmt: skip
"""Of several as near, the plainest."""


def named(text: str) -> Shape:
    """Return the shape of a model of the catalogue, or of the one that is as large as "7B" says.

    Raises MemoryModelError, with near names, where there is none.
    """
    rows = models()
    wanted = text.strip()
    if size := _SIZE.match(wanted):
        return _sized(wanted, float(size[1]) * (1e9 if size[2] in "bB" else 1e6), rows)
    found = [row for row in rows if _key(row.name) == _key(wanted)]
    found = found or [row for row in rows if _short(row.name) == _short(wanted)]
    if len(found) >= 1:
        return _shape(found[0])
    near = _near(wanted, rows)
    hint = f" (is it {' or '.join(near)}?)" if near else ""
    what = f"no model of the catalogue is called {wanted[:80]!r}{hint}"
    raise MemoryModelError(what)


def _shape(row: ModelRow) -> Shape:
    return shape_of(row.config, row.name)


def _sized(text: str, wanted: float, rows: tuple[ModelRow, ...]) -> Shape:
    def distance(row: ModelRow) -> tuple[float, int]:
        ratio = max(row.params / wanted, wanted / row.params)
        return (
            round(ratio, 1),
            _TYPICAL.index(row.name) if row.name in _TYPICAL else len(_TYPICAL),
        )

    dense = [row for row in rows if "num_experts" not in row.config]
    nearest = min(dense, key=distance)
    ratio = max(nearest.params / wanted, wanted / nearest.params)
    if ratio > _BETWEEN:
        what = (
            f"the catalogue has no model of about {text} parameters to go by; give its config.json"
        )
        raise MemoryModelError(what)
    shape = _shape(nearest)
    return msgspec.structs.replace(
        shape, name=f"{text} (shape of {nearest.name})", exact=False, like=nearest.name
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.strip().lower())


_ENDS = re.compile(r"-(?:hf|instruct|it|chat|base|pt)$")


def _short(name: str) -> str:
    """Return a name without its owner and without -hf, -instruct and the like."""
    found = _key(name).rpartition("/")[2]
    found = re.sub(r"-v1\.0$", "", found)
    while (cut := _ENDS.sub("", found)) != found:
        found = cut
    return re.sub(r"^meta-", "", found)


def _near(wanted: str, rows: tuple[ModelRow, ...]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    shorts = {_short(row.name): row.name for row in rows}
    inside = [full for short, full in shorts.items() if len(wanted) > 2 and _short(wanted) in short]
    return inside[:3] or [shorts[one] for one in get_close_matches(_short(wanted), shorts, 2)]
