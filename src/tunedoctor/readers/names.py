"""Values in a report under the labels of labels.json: names, and how values of each kind are parsed."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from tunedoctor.readers.output_rows import bytes_of, search, shape
from tunedoctor.tables.load import table

NOTHING = frozenset(table("labels")["nothing"])
"""Values, in lower case, that carry no information."""
_LONGEST = 400
_LEAST_RAM, _MOST_RAM = 1 << 30, 1 << 46
"""Plausible sizes of RAM."""


def bare(value: str) -> str:
    """Return a value without quotes, marks and commas around it."""
    return value.strip().rstrip(",").strip("`'\"* \t").removesuffix("\\").strip()


def informative(value: str) -> str:
    """Return a value without quotes and trailing commas; "" if it carries no information."""
    plain = bare(value)
    return "" if plain.lower() in NOTHING else plain


def yes_or_no(value: str) -> bool | None:
    """Parse a truth value as written by tools and people; None for any other text."""
    text = bare(value).lower()
    words = text.rstrip(".!").split()
    word = words[0].strip("(),[]") if words else ""
    if word in table("labels")["yes"]:
        return True
    return False if text == "not available" or word in table("labels")["no"] else None


def size(value: str) -> int | None:
    """Return the first size in a text, in bytes; GB counts as GiB, as tools that print memory in GB mean it."""
    match = shape("kind.size").search(value[:300])
    return bytes_of(f"{match[1]} {match[2] or match[3]}") or None if match else None


def ram(value: str) -> int | None:
    """Return a size that can be a machine's RAM, None for one that can only be a GPU's."""
    of_gpu = ("VRAM" in value or "GPU" in value) and "RAM" not in value.replace("VRAM", "")
    size_in_bytes = None if of_gpu else size(value)
    return size_in_bytes if size_in_bytes and _LEAST_RAM <= size_in_bytes <= _MOST_RAM else None


def instead(value: str) -> str:
    """Return the actual version: the second in "3.10.16 (you have 3.10.12)", printed by a build for another version."""
    return value[:300].partition("(you have ")[2].partition(")")[0] or value


def version(value: str, *, whole: bool = False) -> str | None:
    """Return the version at the start of a value, None if there is none: "'2.7.1+cu126'", "v1.2", "0.6 @/path".

    `whole`: only a remark in brackets may follow.
    """
    match = shape("kind.version").match(instead(value[:_LONGEST]))
    after = shape("kind.benign").match(match["rest"]) if match else None
    if match is None or after is None or (whole and match["rest"].strip() and not after["aside"]):
        return None
    return match["version"]


@lru_cache(maxsize=1024)
def of_kind(kind: str, value: str) -> Any:  # noqa: ANN401  each kind has its type
    """Return a value parsed as a kind; None if it does not have the form of that kind."""
    if reader := _READERS.get(kind):
        return reader(value)
    match = shape(f"kind.{kind}").search(informative(value)[:_LONGEST])
    return ".".join(filter(None, match.groups())) if match else None


def _number(value: str, most: int = 9999) -> int | None:
    plain = bare(value)
    number = plain.isascii() and plain.isdigit() and len(plain) <= len(str(most))
    return int(plain) or None if number else None


def counter(text: str) -> int | None:
    """Return an integer, or None."""
    plain = text.strip()
    return min(int(plain), 1 << 31) if plain.isdecimal() and len(plain) <= 18 else None


def printed(text: str) -> str:
    """Return a value as GPU tools print it; "" for words that mean "no value"."""
    text = text.strip().rstrip("\\,").strip()
    bare_ = text.strip("[]").lower()
    return "" if bare_.startswith(_NOT_PRINTED) or "deprecated" in bare_ else text[:120]


def slot(text: str) -> str:
    """Return a bus id in sysfs notation, from "00000000:0C:00.0" or HSA's number; "" if it is neither."""
    if text.isdecimal():
        place = int(text)
        return f"0000:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}" if place else ""
    match = shape("piece.slot").search(text.lower())
    return f"{match[1][-4:]}:{match[2]}" if match else ""


def driver_model(text: str) -> str:
    """Return WDDM, TCC or MCDM, else ""."""
    word = text.strip().upper()
    return word if word in ("WDDM", "TCC", "MCDM") else ""


def _throttle(text: str) -> tuple[str, ...]:
    """Return the throttle reasons in NVML's bits that indicate a fault."""
    text = text.strip().lower()
    bits = int(text, 16) if text.startswith("0x") and not set(text[2:19]) - _HEX else 0
    return tuple(n for bit, n in table("outputs")["throttle"]["bits"].items() if bits & int(bit))


def _recovery(text: str) -> str:
    """Return a recovery action in NVML's spelling: "Reset" -> "GPU_RESET", "None" -> ""."""
    word = "_".join(printed(text).upper().split())
    return {"RESET": "GPU_RESET", "REBOOT": "NODE_REBOOT"}.get(word, word)


def _fabric(text: str) -> str:
    low = text.strip().lower()
    return low if low == "not supported" else printed(low)


def _hexadecimal(text: str) -> str:
    """Return the four hex digits of "0x744c" or "744c"; "" for anything else."""
    digits = text.strip().lower().removeprefix("0x")
    return digits if len(digits) == 4 and not set(digits) - _HEX and digits != "0000" else ""


_HEX = set("0123456789abcdef")
_NOT_PRINTED = ("n/a", "none", "not supported", "unknown", "not found", "not available", "err!")
_READERS: dict[str, Callable[[str], Any]] = {
    "version": version,
    "yes_or_no": yes_or_no,
    "size": size,
    "ram": ram,
    "number": _number,
    "count": lambda value: _number(value, most=1 << 31),
    "compiler": lambda value: "gcc" if informative(value) else "" if value.strip() else None,
    "text": lambda value: informative(value)[:120] or None,
    # GPU values, as their tools print them
    "told": printed,
    "name": lambda text: "" if _hexadecimal(text) else printed(text),
    "hexadecimal": _hexadecimal,
    "target": lambda text: next(iter(shape("amd_words.gfx").findall(text)), ""),
    "slot": slot,
    "bytes": lambda text: bytes_of(text, "m"),
    "counter": counter,
    "compute": lambda text: text if text.replace(".", "", 1).isdecimal() else "",
    "switch": lambda text: {"enabled": True, "disabled": False}.get(text.strip().lower()),
    "yes": lambda text: text.lower() in ("yes", "1"),
    "recovery": _recovery,
    "throttle": _throttle,
    "fabric": _fabric,
    "driver_model": driver_model,
}


def fields_of(section: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a GPU from labelled values, by the kinds and labels in a section of outputs.json."""
    result: dict[str, Any] = {}
    for field, (kind, *labels) in table("outputs")[section]["fields"].items():
        parsed = (_READERS[kind](values[label]) for label in labels if values.get(label))
        result[field] = next(
            (field_value for field_value in parsed if field_value not in (None, "")),
            _READERS[kind](""),
        )
    return result


MOST_SAID = 5_000
"""Most values to keep: a longer text repeats itself."""


class LabelledValue(NamedTuple):
    """A value, and the label of its name."""

    key: str
    value: str
    gpu: str = ""
    """GPU number or numbers: "0", "0,1,2"."""
    line: int = 0
    typed: bool = False
    """Written by a person, without a separator: the value counts only if nothing else follows."""


class Collected:
    """All values by label, in order, each once."""

    def __init__(self, entries: Iterable[LabelledValue]) -> None:
        self._by_key: dict[str, list[LabelledValue]] = {}
        marks: set[tuple[str, str, str]] = set()
        for entry in entries:
            mark = (entry.key, entry.value, entry.gpu)
            if mark not in marks:
                marks.add(mark)
                self._by_key.setdefault(entry.key, []).append(entry)
            if len(marks) > MOST_SAID:
                return

    def all(self, *keys: str) -> list[LabelledValue]:
        """Return all values under these labels: those of the first, then of the second and so on."""
        return [entry for key in keys for entry in self._by_key.get(key, ())]

    def first(self, *keys: str) -> str:
        """Return the first value that carries information, or ""."""
        return next((v for entry in self.all(*keys) if (v := informative(entry.value))), "")

    def value(self, *keys: str) -> Any:  # noqa: ANN401  each kind has its type
        """Return the first value that has the form of its label's kind, parsed; None if there is none."""
        labels = table("labels")["labels"]
        parsed = (
            of_kind(labels[key]["kind"], entry.value) for key in keys for entry in self.all(key)
        )
        return next((parsed_value for parsed_value in parsed if parsed_value is not None), None)

    def beginning(self, start: str) -> list[str]:
        """Return the labels with this prefix, sorted."""
        return sorted(key for key in self._by_key if key.startswith(start))


_OWNS = ("your", "my", "the", "current", "installed", "local", "used", "exact")
_EDGES = "`'\"*•·|│> \t#~=+,[]{}"


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a name in lower case, without punctuation and a trailing word "version"."""
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
    **{name.replace("-", " "): name for name in _TABLE["libraries"]},
    **_TABLE["aliases"],
}
_LETTERS = shape("piece.letters")


def _first_letters(text: str) -> str:
    match = _LETTERS.search(text)
    return match[0].lower() if match else ""


_NUMBERED = ("gpu", "device", "cuda", "xpu")
"""Names that are followed by a GPU number."""
_BEGINNINGS = frozenset(map(_first_letters, (*_KEYS, *_LIBRARIES, *_NUMBERED, *_OWNS)))
_OF_PART = {"compute capability": "capability", "memory": "gpu_memory", "vram": "gpu_memory"}
_OF_PART["arch"] = "capability"


def begins_a_name(text: str) -> bool:
    """Return whether a text starts like any known name: this rejects most lines of a text quickly."""
    return _first_letters(text) in _BEGINNINGS


def key_of(name: str) -> tuple[str, str]:
    """Return the label for a name ("library NAME" for a library), and a GPU's number(s); "" if unknown."""
    plain = normal(name)
    if plain in _KEYS:
        return _KEYS[plain], ""
    if plain.startswith(_NUMBERED) and (numbered := search("name.of_gpu", plain)):
        return _OF_PART.get(numbered[2] or "", "gpu"), "".join(numbered[1].split())
    library = library_of(name)
    return (f"library {library}" if library else ""), ""


def library_of(name: str) -> str:
    """Return the distribution that a name means; "" if it is not in the stack."""
    plain = normal(name)
    return _LIBRARIES.get(plain, "") or _LIBRARIES.get(plain.replace(".", " "), "")


def names_in(text: str) -> int:
    """Return how many words of a text start like a known name; 2 for a script without blanks."""
    if not text.isascii():
        return 2
    return sum(word in _BEGINNINGS for word in _LETTERS.findall(text.lower()))
