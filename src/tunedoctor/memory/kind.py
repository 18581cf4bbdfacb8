"""What kind a layer is."""

from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """One layer."""

    mixer: Literal[
        "attention", "latent", "delta", "convolution", "mamba1", "mamba2", "both", "none"
    ]
    window: int = 0
    moe: bool = False
    feeds: bool = True
    head_dim: int = 0
    """Width of a head where layers of this kind have their own; 0: as all."""
    kv_heads: int = 0
    borrows: bool = False
    """Takes keys and values of a layer before it, and has no matrices for them (Gemma 3n and 4)."""
    one_for_both: bool = False
    """Keys are the values as well: there is no matrix for these."""
    wide: int = 1
    """How often as wide as others its feed-forward part is."""
    indexed: bool = False
    """A small attention chooses the tokens that are attended to (DeepSeek 3.2)."""
