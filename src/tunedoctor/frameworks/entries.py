"""Read typed entries of a configuration and remember which key set which field of the plan."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from tunedoctor.frameworks.plan import Precision

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_LARGEST_NUMBER = 1 << 40


class Entries:
    """The entries of one configuration. Each method returns the first of some keys that is set, else the default."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        """Take a function that returns the value of a key, None if it is not set."""
        self._get = get
        self.keys: dict[str, str] = {}

    def _first(self, field: str, keys: tuple[str, ...]) -> Any:  # noqa: ANN401  any value
        for key in keys or (field,):
            value = self._get(key)
            if value is not None and value not in ("", "auto"):
                self.keys[field] = key
                return value
        return None

    def word(self, field: str, *keys: str, default: str = "") -> str:
        """Return a text."""
        value = self._first(field, keys)
        return value.strip()[:1000] if isinstance(value, str) else default

    def words(self, field: str, *keys: str) -> tuple[str, ...] | None:
        """Return a list of texts, also from one text with commas; None if it is not set."""
        value = self._first(field, keys)
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            return None
        return tuple(one.strip() for one in value if isinstance(one, str) and one.strip())

    def flag(self, field: str, *keys: str, default: bool = False) -> bool:
        """Return a truth."""
        before = self.keys.get(field)
        text = str(self._first(field, keys)).strip().lower()
        if text in _FALSE and before:
            self.keys[field] = before  # the key that turned it on is the one to show
        return text in _TRUE if text in (*_TRUE, *_FALSE) else default

    def number(self, field: str, *keys: str) -> float | None:
        """Return a number, also from a text such as "2e-4"; None if it is not set or no number."""
        value = self._first(field, keys)
        if isinstance(value, bool):
            return None
        try:
            found = float(value[:30] if isinstance(value, str) else value)
        except (TypeError, ValueError, OverflowError):
            return None
        return found if isfinite(found) and abs(found) < _LARGEST_NUMBER else None

    def whole(self, field: str, *keys: str) -> int | None:
        """Return a whole number above 0; None if it is not set or another value."""
        found = self.number(field, *keys)
        return int(found) if found is not None and found >= 1 and found == int(found) else None

    def part(self, key: str) -> Mapping[str, Any]:
        """Return a nested mapping, {} if it is not set."""
        value = self._get(key)
        return value if isinstance(value, dict) else {}

    def is_set(self, key: str) -> bool:
        """Return whether a key has a value other than null."""
        return self._get(key) is not None


def precision_of(entries: Entries, *, default: Precision = "") -> Precision:
    """Return the precision that the keys bf16 and fp16 of a Hugging Face trainer choose."""
    if entries.flag("precision", "bf16"):
        return "bf16"
    if entries.flag("precision", "fp16"):
        return "fp16"
    entries.keys.pop("precision", None)
    return default
