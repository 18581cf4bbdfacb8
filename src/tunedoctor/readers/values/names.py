"""Which thing a name in a report stands for: a label, or a library of the stack."""

import re
from functools import lru_cache

from tunedoctor.readers.paste import search, shape
from tunedoctor.tables.load import table

_OWNS = ("your", "my", "the", "current", "installed", "local", "used", "exact")
_EDGES = "`'\"*•·|│> \t#~=+,[]{}"


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a name in lower case, without marks, questions and the word version at its end."""
    text = name.lower()
    if "(" in text or "?" in text:
        text = shape("name.asking").sub(" ", text)
    text = text.replace("`", "").replace("**", "").strip(_EDGES)
    text = text.removesuffix(".__version__").removesuffix(".version")
    if not text.isascii():
        text = "".join(c for c in text if c.isascii() or c.isalpha())
    spaced = " ".join(text.replace("_", " ").replace("-", " ").split())
    plain = shape("name.ends").sub("", spaced) if "ver" in spaced or "版本" in spaced else spaced
    first, _, rest = plain.partition(" ")
    return (rest if rest and first in _OWNS else plain).strip() or spaced


_TABLE = table("labels")
_KEYS: dict[str, str] = {
    name: key for key, row in _TABLE["labels"].items() for name in row["names"]
}
_LIBRARIES: dict[str, str] = {
    **{one.replace("-", " "): one for one in _TABLE["libraries"]},
    **_TABLE["aliases"],
}
_LETTERS = re.compile(r"[^\W\d_]+")


def _first_letters(text: str) -> str:
    found = _LETTERS.search(text)
    return found[0].lower() if found else ""


_NUMBERED = ("gpu", "device", "cuda", "xpu")
"""Names that a GPU's number follows."""
_BEGINNINGS = frozenset(map(_first_letters, (*_KEYS, *_LIBRARIES, *_NUMBERED, *_OWNS)))
_OF_PART = {"compute capability": "capability", "memory": "gpu_memory", "vram": "gpu_memory"}
_OF_PART["arch"] = "capability"


def begins_a_name(text: str) -> bool:
    """Tell whether the first letters of a text are those of any known name: most lines of a text are done with that."""
    return _first_letters(text) in _BEGINNINGS


def key_of(name: str) -> tuple[str, str]:
    """Return the label that a name stands for, and of a GPU its number(s); "" where the name is not known.

    The label of a library is "library NAME", NAME that of its distribution.
    """
    plain = normal(name)
    if plain in _KEYS:
        return _KEYS[plain], ""
    if plain.startswith(_NUMBERED) and (numbered := search("name.of_gpu", plain)):
        return _OF_PART.get(numbered[2] or "", "gpu"), re.sub(r"\s", "", numbered[1])
    library = library_of(name)
    return (f"library {library}" if library else ""), ""


def library_of(name: str) -> str:
    """Return the distribution that a name stands for; "" where it is none of the stack."""
    plain = normal(name)
    return _LIBRARIES.get(plain, "") or _LIBRARIES.get(plain.replace(".", " "), "")


def names_in(text: str) -> int:
    """Return how many words of a text are the first letters of a known name; 2 where a script has no blanks."""
    if not text.isascii():
        return 2
    return sum(word in _BEGINNINGS for word in _LETTERS.findall(text.lower()))
