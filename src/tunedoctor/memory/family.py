"""Differences between architectures, from families.json, and numbers of a config.json under their various names."""

import copy
import functools
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from tunedoctor.memory.shape import MemoryModelError, NormKind, Sinks
from tunedoctor.tables.load import table

Bias = bool | str


class Family(msgspec.Struct, frozen=True):
    """The modules of an architecture's attention layers."""

    qkv_bias: Bias = "attention_bias"
    o_bias: Bias = "attention_bias"
    feed_bias: Bias = "mlp_bias"
    head_bias: Bias = False
    norm: NormKind = "rms"
    norms: int = 2
    """Number of norms in a layer with the width of the residual."""
    parallel_norms: int = 2
    """The same if attention and the feed-forward part run in parallel."""
    norms_after: bool = False
    """The two norms follow attention and the feed-forward part."""
    norm_bias: bool = True
    norm_weight: bool = True
    query_norm: Literal["", "head", "full", "heads", "bare"] = ""
    """head: one weight for all heads; full: over the whole projection; heads: one per head; bare: no weight."""
    asked_norm: Literal["head", "heads"] = "head"
    """The same, if only a switch in the config turns it on."""
    gated: bool = True
    tied: bool = False
    fused: Literal["", "qkv", "all"] = ""
    """qkv: one projection for q, k and v; all: also one for gate and up."""
    own_value: bool = False
    """Values are copied out of a fused projection, or queries and keys are views of it as well."""
    names: tuple[str, ...] = (
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    )
    """Fused ones appear once: ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")."""
    sinks: Sinks = ""
    window_sinks: bool = False
    expert_bias: bool = False
    expert_parts: int = 3
    router_bias: bool = False
    router_scale: bool = False
    """The router scales what it reads, with a weight for each element."""
    shared_gate: bool = False
    """A matrix of hidden x 1 weights the shared expert."""
    query_gate: bool = False
    """q_proj also produces a gate as wide as the queries."""
    sdpa: bool = True
    learned_activation: int = 0
    wide_logits: bool = False
    """Its class converts logits to fp32 before returning them."""
    one_head_key: bool = False
    """Keys and values have one head if the config says multi_query."""
    as_it_is: bool = False
    """That head is passed to SDPA unchanged, with all query heads; the newer decoder repeats it."""
    out_gate: str = ""
    """Name of a projection as wide as the queries whose sigmoid multiplies the output of attention."""
    head_gate: str = ""
    """Name of a projection with one number per head that does the same."""
    sub_norms: bool = False
    """Norms precede the last matrix of attention and of the feed-forward part (BitNet)."""
    moe_norms: int = 0
    """Additional norms with the width of the residual in layers with experts."""
    value_norm: bool = False
    """Values pass a norm without weight (Gemma 3n and 4)."""


Mixers = Literal["attention", "latent", "delta", "convolution", "mamba1", "mamba2", "both", "none"]


class LayerKind(NamedTuple):
    """The kind of one layer."""

    mixer: Mixers
    window: int = 0
    moe: bool = False
    feeds: bool = True
    head_dim: int = 0
    """Width of a head if layers of this kind differ; 0: as in all layers."""
    kv_heads: int = 0
    borrows: bool = False
    """Uses keys and values of an earlier layer, and has no matrices for them (Gemma 3n and 4)."""
    one_for_both: bool = False
    """Keys are also the values, so there is no matrix for values."""
    wide: int = 1
    """Factor by which its feed-forward part is wider than in other layers."""
    indexed: bool = False
    """A small attention chooses the tokens that are attended to (DeepSeek 3.2)."""


class Peft(msgspec.Struct, frozen=True):
    """Special cases of peft for some model types."""

    refused: tuple[str, ...]
    """Model types whose out_proj it refuses to adapt; it raises if all-linear includes it."""
    named_targets: tuple[str, ...]
    """Model types on which all-linear fails. Routers of phimoe and Llama 4 are linear modules that return a tuple."""
    expert_names: dict[str, tuple[str, ...]]
    """Module names that it also applies to the parameters of routed experts and their router."""


class _FamilyTable(msgspec.Struct, frozen=True):
    families: dict[str, Family]
    peft: Peft
    sees_all_every: dict[str, int]
    """Interval of layers that see all tokens, if the config does not say it."""
    mamba2_hybrids: tuple[str, ...]
    """Model types whose "linear_attention" is Mamba 2."""
    aliases: dict[str, str]
    without_attention: tuple[str, ...]
    refused: dict[str, tuple[str, ...]]
    """Reason why a kind of model is not estimated -> its model types."""
    inert: tuple[str, ...]
    """Number keys that do not affect the size of a matrix, as regular expressions."""
    keys: dict[str, tuple[str, ...]]
    """Names that makers use for a config's numbers."""


KNOWN = msgspec.convert(table("families"), _FamilyTable)


def name_of(model_type: str) -> str:
    """Return the name of the family that a model type belongs to."""
    return KNOWN.aliases.get(model_type, model_type)


def family_of(model_type: str) -> tuple[Family, bool]:
    """Return the family of a model type, and whether it is known; an unknown one is treated as Llama-like."""
    name = name_of(model_type)
    found = KNOWN.families.get(name) or KNOWN.families.get(name.removesuffix("_text"))
    return (found, True) if found else (Family(), False)


LARGEST = 1 << 24
"""Largest width, count or vocabulary of a model: 16 million."""
DEEPEST = 512
_MOST_KEYS = 400
_SINGLE = ("hidden_size", "n_embd", "d_model", "vocab_size", "padded_vocab_size")
"""Sizes that are the same for all layers."""
_PAIRS = ("moe_intermediate_size", "patch_size")
"""Sizes that can be lists with another meaning: for text and pictures, for height and width."""

_INERT = re.compile("|".join(KNOWN.inert))


def senseless(key: str, value: Any, wanted: str) -> MemoryModelError:  # noqa: ANN401
    """Return the error for a key whose value is not as expected (`wanted`)."""
    shown = repr(value)
    shown = f"{shown[:40]} …" if len(shown) > 40 else shown
    return MemoryModelError(f"{key} is {shown}; expected {wanted}")


def _is_number(value: Any, least: int) -> bool:  # noqa: ANN401
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and least <= value <= LARGEST and value == value // 1


def _is_size(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _holds_size(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, Mapping):
        return bool(value)
    if isinstance(value, list):
        return any(_is_size(one) or isinstance(one, Mapping) for one in value)
    return _is_size(value)


class _Watched(dict[str, Any]):
    """A config that records which of its keys were read."""

    def __init__(self, data: Mapping[str, Any], seen: set[str]) -> None:
        super().__init__(data)
        self.seen = seen

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401  JSON of somebody
        self.seen.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        self.seen.add(key)
        return super().__getitem__(key)


class Fields:
    """A config whose values are read by key."""

    depth = 0
    """Number of layers, if known: lists of this length have a number per layer."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        if len(data) > _MOST_KEYS:
            what = f"it has {len(data)} keys; no model has more than {_MOST_KEYS}"
            raise MemoryModelError(what)
        long = {k: one[: DEEPEST + 1] for k, one in data.items() if isinstance(one, list)}
        self.data = _Watched({**data, **long}, set())

    def at(self, layer: int) -> "Fields":
        """Return the config for one layer: lists with one number per layer are replaced by that layer's number."""
        own = {key: one[layer] for key, one in self._lists if _is_size(one[layer])}
        if "num_attention_heads_per_layer" in own:
            own["num_attention_heads"] = own.pop("num_attention_heads_per_layer")
        own |= self._special.get(layer, {})
        if not own:
            return self
        found = copy.copy(self)
        found.data = _Watched({**self.data, **own}, self.data.seen)
        return found

    @functools.cached_property
    def _special(self) -> dict[int, dict[str, int]]:
        special = self.data.get("per_layer_config")
        return {
            int(key): {name: size for name, size in one.items() if _is_size(size)}
            for key, one in (special.items() if isinstance(special, Mapping) else ())
            if re.fullmatch("[0-9]{1,4}", key) and isinstance(one, Mapping)
        }

    @functools.cached_property
    def _lists(self) -> list[tuple[str, list[Any]]]:
        lists = [(key, one) for key, one in self.data.items() if isinstance(one, list)]
        return [(key, one) for key, one in lists if len(one) == self.depth]

    def unread(self) -> tuple[str, ...]:
        """Return the keys that look like a size but were never read."""
        unseen = ((key, value) for key, value in self.data.items() if key not in self.data.seen)
        left = (key for key, value in unseen if not _INERT.search(key) and _holds_size(value))
        return tuple(sorted(key[:60] for key in left))

    def whole(self, *keys: str, least: int = -1) -> int | None:
        """Return the first positive number among the keys (0, -1: not used), or None. Raises MemoryModelError."""
        for key in keys:
            value = self.data.get(key)
            if value is None:
                continue
            each = [value]
            if isinstance(value, list) and key not in _SINGLE:  # one for each layer: the largest
                each = value if key in _PAIRS or len(value) == self.depth else each
            if not each or not all(_is_number(one, least) for one in each):
                raise senseless(key, value, f"a whole number from {max(1, least)} to {LARGEST}")
            if (most := int(max(each))) > 0:
                return most
        return None

    def key(self, *keys: str) -> str:
        """Return the first of these keys that exists, else the first."""
        return next((key for key in keys if self.data.get(key) is not None), keys[0])

    def needed(self, *keys: str) -> int:
        """Return the result of `whole`. Raises MemoryModelError if there is none."""
        found = self.whole(*keys, least=1)
        if found is None:
            raise MemoryModelError(f"it has no {keys[0]}")
        return found

    def or_else(self, default: int, *keys: str, least: int = -1) -> int:
        """Return the result of `whole`, or a default."""
        found = self.whole(*keys, least=least)
        return default if found is None else found

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return whether a key is switched on. Raises MemoryModelError if its value is neither true nor false."""
        value = self.data.get(key)
        if value is None:
            return default
        if value not in (True, False):
            raise senseless(key, value, "true or false")
        return bool(value)

    def number(self, key: str, default: float = 0) -> float:
        """Return a real number, or the default if it is missing. Raises MemoryModelError for other values."""
        value = self.data.get(key)
        if value is None:
            return default
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not 0 <= value < LARGEST:
            raise senseless(key, value, f"a number from 0 to {LARGEST}")
        return float(value)

    def word(self, key: str) -> str:
        """Return a string, "" if it is missing. Raises MemoryModelError for other values."""
        value = self.data.get(key)
        if not isinstance(value, str | None):
            raise senseless(key, value, "a word")
        return value or ""

    def words(self, key: str) -> list[str]:
        """Return a list of strings, [] if it is missing. Raises MemoryModelError for other values."""
        value = self.data.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise senseless(key, value, "a list of words")
        return value

    def part(self, *keys: str) -> "Fields | None":
        """Return the nested config of the first of these keys that has one."""
        for key in keys:
            value = self.data.get(key)
            if isinstance(value, Mapping) and value:
                return Fields(value)
        return None
