"""Numbers of a config.json under the names that its makers gave them, within sense."""

from collections.abc import Mapping
from typing import Any

from tunedoctor.memory.shape import MemoryModelError

LARGEST = 1 << 24
"""No width, count or vocabulary of a model is larger: 16 million."""
DEEPEST = 4096
"""Layers."""


class Fields:
    """A config, read by key."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def whole(self, *keys: str, least: int = 1) -> int | None:
        """Return the first of these keys that holds a number; None: none does.

        Raises MemoryModelError where it holds anything else.
        """
        for key in keys:
            value = self.data.get(key)
            if value is None:
                continue
            if isinstance(value, list) and value:  # one for each layer: the largest decides
                numbers = [
                    one for one in value if isinstance(one, int) and not isinstance(one, bool)
                ]
                value = max(numbers, default=value)
            if isinstance(value, float) and value == value // 1:
                value = int(value)
            if not isinstance(value, int) or isinstance(value, bool):
                what = f"{key} is {str(value)[:40]!r} where a whole number belongs"
                raise MemoryModelError(what)
            if not least <= value <= LARGEST:
                if value <= 0:  # as -1 and 0 for "not used"
                    continue
                what = f"{key} is {value}, and no model has that: {least} to {LARGEST}"
                raise MemoryModelError(what)
            return value
        return None

    def needed(self, *keys: str) -> int:
        """Return what `whole` does; raises MemoryModelError where it is not there."""
        found = self.whole(*keys)
        if found is None:
            what = f"it names no {keys[0]}"
            raise MemoryModelError(what)
        return found

    def or_else(self, default: int, *keys: str) -> int:
        """Return what `whole` does, or a default."""
        found = self.whole(*keys)
        return default if found is None else found

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return whether a key is switched on. Raises MemoryModelError where it holds neither true nor false."""
        value = self.data.get(key)
        if value is None:
            return default
        if value not in (True, False):
            what = f"{key} is {str(value)[:40]!r} where true or false belongs"
            raise MemoryModelError(what)
        return bool(value)

    def number(self, key: str, default: float) -> float:
        """Return a real number, or the default where the key holds none."""
        value = self.data.get(key)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not abs(value) < LARGEST
        ):
            return default
        return float(value)

    def words(self, key: str) -> list[str]:
        """Return a list of words, [] where the key holds none."""
        value = self.data.get(key)
        return [str(one) for one in value[:DEEPEST]] if isinstance(value, list) else []

    def part(self, *keys: str) -> "Fields | None":
        """Return the first of these keys that holds a config of its own."""
        for key in keys:
            value = self.data.get(key)
            if isinstance(value, Mapping) and value:
                return Fields(value)
        return None
