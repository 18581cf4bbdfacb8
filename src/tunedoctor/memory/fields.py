"""Numbers of a config.json under the names that its makers gave them, within sense."""

import re
from collections.abc import Mapping
from typing import Any

from tunedoctor.memory.shape import MemoryModelError

LARGEST = 1 << 24
"""No width, count or vocabulary of a model is larger: 16 million."""
DEEPEST = 4096
"""Layers."""


_INERT = re.compile(
    r"parameters|config_path|token|_id$|_ids$|eps|rope|rotary|position|version|dtype|drop|init|coef|scal|multiplier|theta|group|architectures|"
    r"auto_map|label|beam|length|top_[kp]$|temperature|penalt|return|output_|cache|quantization|transformers|pretraining|"
    r"nextn|mtp|window|layer_types|block_types|logit|norm|seed|alpha|beta|limit|factor|kernel|router_aux|softcap|task|"
    r"index_topk|qk_head_dim|problem_type|torchscript|name|language_model_only|layer_config|patch|image|vision|audio|video"
)
"""Keys of numbers that say nothing of a matrix' size."""


def _size(value: Any) -> int:  # noqa: ANN401
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _is_size(value: Any) -> bool:  # noqa: ANN401
    return _size(value) > 1


def _holds_size(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, Mapping):
        return bool(value)
    if isinstance(value, list):
        return any(_is_size(one) or isinstance(one, Mapping) for one in value)
    return _is_size(value)


class _Watched(dict[str, Any]):
    """A config that remembers which of its keys were looked at."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.seen: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401  JSON of somebody
        self.seen.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        self.seen.add(key)
        return super().__getitem__(key)


class Fields:
    """A config, read by key."""

    def __init__(self, data: Mapping[str, Any], seen: set[str] | None = None) -> None:
        self.data = _Watched({str(key): value for key, value in data.items()})
        if seen is not None:
            self.data.seen = seen

    def at(self, layer: int, depth: int) -> "Fields":
        """Return the config as it is for one layer: of lists as long as the model is deep, that layer's number."""
        own = self._own(layer, depth)
        return Fields({**self.data, **own}, self.data.seen) if own else self

    def _own(self, layer: int, depth: int) -> dict[str, Any]:
        found = {
            key: value[layer]
            for key, value in self.data.items()
            if isinstance(value, list) and len(value) == depth and _is_size(value[layer])
        }
        if "num_attention_heads_per_layer" in found:
            found["num_attention_heads"] = found.pop("num_attention_heads_per_layer")
        special = self.data.get("per_layer_config")
        if isinstance(special, Mapping):
            for key, value in special.items():
                if str(key).isdecimal() and int(key) == layer and isinstance(value, Mapping):
                    found |= {str(name): one for name, one in value.items() if _is_size(one)}
        return found

    def unread(self) -> tuple[str, ...]:
        """Return the keys that name a size and that nothing looked at."""
        return tuple(
            sorted(
                key[:60]
                for key, value in self.data.items()
                if key not in self.data.seen and not _INERT.search(key) and _holds_size(value)
            )
        )

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
            zero = next((key for key in keys if self.data.get(key) is not None), None)
            what = f"{zero} is {self.data[zero]}" if zero else f"it names no {keys[0]}"
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
