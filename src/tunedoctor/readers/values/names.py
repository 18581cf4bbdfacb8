"""Which thing a name in a report stands for."""

import re
from functools import lru_cache

from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table

_ENDS = pattern(
    r"(?<![\s:`'\"*])[\s:`'\"*]*+(?:版本号?|\bversion(?: number)?|\bver\.?|\bversion\(s\)|\bversions)[\s`'\"*]*\Z"
)
_ASKING = pattern(
    r"(?<!\s)\s*+\([^()]{0,40}(?:\?|/|only|if |e\.g|please|output)[^()]{0,60}\)\s*|\?+"
)
_OWN = pattern(r"\A(?:your|my|the|current|installed|local|used|exact)\s+")
OWNS = ("your", "my", "the", "current", "installed", "local", "used", "exact")
_EDGES = "`'\"*•·|│> \t#~=+,[]{}"


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a name in lower case, without marks, questions and the word version at its end."""
    text = name.lower()
    if "(" in text or "?" in text:
        text = _ASKING.sub(" ", text)
    text = text.replace("`", "").replace("**", "").strip(_EDGES)
    text = text.removesuffix(".__version__").removesuffix(".version")
    if not text.isascii():
        text = "".join(c for c in text if c.isascii() or c.isalpha())
    spaced = " ".join(text.replace("_", " ").replace("-", " ").split())
    plain = _ENDS.sub("", spaced) if "ver" in spaced or "版本" in spaced else spaced
    return (_OWN.sub("", plain) if plain.startswith(OWNS) else plain).strip() or spaced


KEYS: dict[str, str] = {
    normal(name): key for key, names in table("report_names")["names"].items() for name in names
}
_LONG = 11
"""A name of which so much is left is known though its first letters are cut."""
CUT = {
    name[n:]: key
    for name, key in KEYS.items()
    for n in (1, 2, 3)
    if len(name) - n >= _LONG and name.isascii()
} | {"ytorch": "torch", "orch": "torch", "ython": "python"}
NUMBERED = ("gpu", "device", "cuda", "xpu")
"""Names that a GPU's number follows."""
_OF_GPU = pattern(
    r"\A(?:gpu|device|cuda|cuda device|xpu)[ :#]{0,2}\[?(\d{1,3}(?:\s*,\s*\d{1,3}){0,15})\]?"
    r"(?: (compute capability|name|memory|vram|arch|type|model))?\Z"
)


def key_of(name: str) -> tuple[str, str]:
    """Return the key that a name stands for, and of a GPU its number(s); "" where the name is not known."""
    plain = normal(name)
    if plain in KEYS:
        return KEYS[plain], ""
    if numbered := _OF_GPU.match(plain):
        part = {
            "compute capability": "capability",
            "memory": "gpu_memory",
            "vram": "gpu_memory",
            "arch": "capability",
        }
        return part.get(numbered[2] or "", "gpu"), re.sub(r"\s", "", numbered[1])
    return CUT.get(plain, ""), ""
