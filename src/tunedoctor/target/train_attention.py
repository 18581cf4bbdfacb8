"""Choose the implementation of attention: a kernel of the hub where it can run, else SDPA."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from train_input import KERNELS, Config, say  # type: ignore[import-not-found]

CAPABILITIES = {"flash-attn2": (8, 0), "flash-attn3": (9, 0)}
"""Least compute capability of the GPU: Ampere and Hopper (README of Dao-AILab/flash-attention)."""


def choose_attention(config: Config, device: Any) -> str:
    """Return the implementation to ask transformers for, or "" to let it choose.

    A kernel is downloaded only if the configuration names one. If it can't run, SDPA takes its place, and the reason
    is printed.
    """
    name = "" if config.attention == "auto" else config.attention
    if not name.startswith(KERNELS):
        return name
    if why := why_not(name, config, device):
        say(f"attention = sdpa instead of {name}: {why}")
        return "sdpa"
    return name


def why_not(name: str, config: Config, device: Any) -> str:
    """Return why a kernel of the hub can't run here; "" if it can, and is loaded."""
    import torch

    kind = name[len(KERNELS) :].partition("@")[0].partition(":")[0]
    if device.type != "cuda":
        return f"it needs a GPU, and the training runs on {device.type}"
    least = CAPABILITIES.get(kind, (0, 0))
    if torch.version.hip is None and (has := torch.cuda.get_device_capability(device)) < least:
        return (
            f"it needs compute capability {least[0]}.{least[1]}, and the GPU has {has[0]}.{has[1]}"
        )
    if "flash" in kind and config.precision == "fp32":
        return "it computes in 16 bits, and precision is fp32"
    if importlib.util.find_spec("kernels") is None:
        return "the package kernels is not installed (pip install kernels)"
    try:
        hub = importlib.import_module("transformers.integrations.hub_kernels")
        hub.load_and_register_attn_kernel(name)
    except (
        Exception
    ) as error:  # an old transformers, no build for this torch, no network, a wrong name
        return f"it does not load: {error!r:.300}"
    return ""
