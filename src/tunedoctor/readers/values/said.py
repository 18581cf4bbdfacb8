"""One thing that a report says of one subject, whoever printed or typed it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

T = TypeVar("T")
"""What a value is read as."""


class Said(NamedTuple):
    """A value under the key of `names.py` that its name stands for."""

    key: str
    value: str
    gpu: str = ""
    """Of a GPU: "0", "0,1,2"."""
    line: int = 0
    typed: bool = False
    """Written without a separator, as people do: the value counts only where it is whole."""


NOTHING = frozenset(
    {
        *(
            "",
            "-",
            "--",
            "?",
            "??",
            "???",
            "n/a",
            "na",
            "none",
            "null",
            "nil",
            "unknown",
            "unset",
            "not set",
        ),
        *(
            "<not set>",
            "could not collect",
            "not collected",
            "no cuda",
            "not available",
            "unavailable",
        ),
        *(
            "not installed",
            "not installed (na)",
            "not found",
            "<fill in>",
            "fill in",
            "tbd",
            "todo",
            "...",
        ),
        *(
            "module not found",
            "not detected",
            "n.a.",
            "undefined",
            "no relevant packages",
            "(none)",
        ),
    }
)
"""Values, in lower case, that tell nothing of the thing they stand for."""


class Collected:
    """What was said, by key, in order."""

    def __init__(self, said: Iterable[Said]) -> None:
        """Sort by key."""
        self._by_key: dict[str, list[Said]] = {}
        for one in said:
            self._by_key.setdefault(one.key, []).append(one)

    def all(self, *keys: str) -> list[Said]:
        """Return all that was said under these keys: of the first, then of the second and so on."""
        return [one for key in keys for one in self._by_key.get(key, ())]

    def first(self, *keys: str) -> str:
        """Return the first value that tells something, or ""."""
        return next((v for one in self.all(*keys) if (v := told(one.value))), "")

    def find(self, read: Callable[[str], T | None], *keys: str) -> T | None:
        """Return the first value that `read` can make something of."""
        found = (read(one.value) for one in self.all(*keys))
        return next((one for one in found if one is not None), None)

    def beginning(self, start: str) -> list[str]:
        """Return the keys that begin so, in order of the alphabet."""
        return sorted(key for key in self._by_key if key.startswith(start))


def told(value: str) -> str:
    """Return a value without quotes and closing commas; "" where it tells nothing."""
    plain = bare(value)
    return "" if plain.lower() in NOTHING else plain


def bare(value: str) -> str:
    """Return a value without the quotes, marks and commas around it."""
    return value.strip().rstrip(",").strip("`'\"* \t").removesuffix("\\").strip()


def yes_or_no(value: str) -> bool | None:
    """Read a truth value as tools and people write it; None for any other text."""
    words = bare(value).lower().rstrip(".!").split()
    word = words[0].strip("(),[]") if words else ""
    if word in ("true", "yes", "available", "1", "on", "ja", "да", "是", "yep", "ok"):
        return True
    if word in ("false", "no", "unavailable", "0", "off", "nein", "нет", "否", "nope"):
        return None if word == "no" and len(words) > 1 and words[1] == "cuda" else False
    return False if bare(value).lower() == "not available" else None
