"""What a stage found, in a few words for the screen."""

from collections.abc import Mapping
from typing import Any

from tunedoctor.clean import clean_text
from tunedoctor.wording import gib, listed


def says(stage: str, data: Mapping[str, Any]) -> str:
    """Return a few words; "" where its name says all. Data of a script that differs from this doctor's say nothing."""
    make = _WORDS.get(stage.split(maxsplit=1)[0])
    try:
        return clean_text(make(data)) if make else ""
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return ""


def _device(data: Mapping[str, Any]) -> str:
    name = f"{data['device']}  {data['name']}" if data["device"] != "cpu" else "CPU"
    total = data.get("memory_total")
    return f"{name}, {data['half']}" + (f", {gib(total)}" if total else "")


def _kernels(data: Mapping[str, Any]) -> str:
    worst = max(data["units"].values())
    backends = [str(one) for one in data["attention"]]
    return f"to {worst:.1f} of roundoff; attention {listed(backends, 4)}"


def _wrap(data: Mapping[str, Any]) -> str:
    return f"LoRA on {data['layers']} linear layers, {data['trained']:,} weights train"


def _train(data: Mapping[str, Any]) -> str:
    losses = data["losses"]
    return f"{len(losses)} steps, loss {losses[0]:.2f} → {losses[-1]:.2f}"


def _half(data: Mapping[str, Any]) -> str:
    return f"{data['dtype']} base: losses as in float32 to {data['difference']:.1%}"


def _load(data: Mapping[str, Any]) -> str:
    if "rounds" in data:
        return f"{data['minutes']:.1f} min, {data['rounds']} rounds with the same losses"
    return f"{data['before']:,.0f} tokens/s at first, {data['after']:,.0f} at the end"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


_WORDS: dict[str, Any] = {
    "import": lambda data: data["version"],
    "device": _device,
    "kernels": _kernels,
    "data": lambda data: f"{data['samples']} samples",
    "build": lambda data: f"{data['model']}, {data['weights']:,} weights, {data['dtype']}",
    "wrap": _wrap,
    "forward": lambda data: f"loss {data['loss']:.2f}, finite",
    "backward": lambda data: f"all {data['adapters']} adapters get a gradient",
    "optimizer": lambda _: "the first step moves them",
    "train": _train,
    "adapters": lambda data: f"{data['adapters']} of {data['adapters']} learned",
    "base": lambda data: f"{data['weights']} frozen weights unchanged, bit for bit",
    "save": lambda data: f"{_bytes(data['bytes'])}, read back",
    "reload": lambda _: "a fresh process gives the same logits",
    "merge": lambda data: f"logits within {data['difference']:.1g}",
    "generate": lambda data: f"“{data['text']}”",
    "repeat": lambda _: "the same losses again",
    "checkpointing": lambda _: "same gradients",
    "16-bit": _half,
    "workers": lambda _: "2 loader processes",
    "8-bit": lambda data: f"outputs within {data['difference']:.1%}",
    "4-bit": lambda data: f"outputs within {data['difference']:.1%}, nf4",
    "QLoRA": lambda data: f"loss {data['losses'][0]:.2f} → {data['losses'][-1]:.2f}",
    "compile": lambda data: f"same result, {data['seconds']:.0f} s",
    "load": _load,
    "join": lambda data: f"{data['world']} ranks, {data['backend']}",
    "all-reduce": lambda data: f"the sum over {data['world']} ranks is right",
    "work": lambda data: f"{1000 * data['work']:.1f} ms on rank 0",
    "DDP": lambda data: f"same weights on all ranks after {data['steps']} steps",
}
"""By the first word of a stage's name."""
