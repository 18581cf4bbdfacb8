"""What a report says of its subjects, under the labels of labels.json, whoever printed or typed it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tunedoctor.readers.values.kinds import of_kind, told
from tunedoctor.tables.load import table

MOST = 5_000
"""Values that are kept: a longer text repeats itself."""


class Said(NamedTuple):
    """A value under the label that its name stands for."""

    key: str
    value: str
    gpu: str = ""
    """Of a GPU: "0", "0,1,2"."""
    line: int = 0
    typed: bool = False
    """Written without a separator, as people do: the value counts only where it is whole."""


class Collected:
    """What was said, by label, in order; each value once."""

    def __init__(self, said: Iterable[Said]) -> None:
        """Sort by label."""
        self._by_key: dict[str, list[Said]] = {}
        seen: set[tuple[str, str, str]] = set()
        for one in said:
            mark = (one.key, one.value, one.gpu)
            if mark not in seen:
                seen.add(mark)
                self._by_key.setdefault(one.key, []).append(one)
            if len(seen) > MOST:
                return

    def all(self, *keys: str) -> list[Said]:
        """Return all that was said under these labels: of the first, then of the second and so on."""
        return [one for key in keys for one in self._by_key.get(key, ())]

    def first(self, *keys: str) -> str:
        """Return the first value that tells something, or ""."""
        return next((v for one in self.all(*keys) if (v := told(one.value))), "")

    def value(self, *keys: str) -> Any:  # noqa: ANN401  each kind has its type
        """Return the first value that has the form of its label's kind, read as such; None for none."""
        labels = table("labels")["labels"]
        found = (of_kind(labels[key]["kind"], one.value) for key in keys for one in self.all(key))
        return next((one for one in found if one is not None), None)

    def beginning(self, start: str) -> list[str]:
        """Return the labels that begin so, in order of the alphabet."""
        return sorted(key for key in self._by_key if key.startswith(start))
