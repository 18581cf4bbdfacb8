from tunedoctor.api import (
    Facts,
    Finding,
    check,
    heard,
    listed,
    parts,
    told,
    visible_gpus,
    worded,
)


@check("gpu-lacks-bf16")
def gpu_lacks_bf16(facts: Facts) -> Finding | None:
    """Go by the best GPU of the build's vendor; an error text makes an error of it."""
    said = heard(facts.errors, "gpu-lacks-bf16")
    names = _nvidia(facts)
    if facts.torch.accelerator == "rocm":
        discrete = [g for g in facts.amd.gpus if not g.integrated]
        old = discrete and all(
            g.gfx.startswith(("gfx103", "gfx101", "gfx900", "gfx906")) for g in discrete
        )
        names = (
            listed(dict.fromkeys(f"{g.name or 'GPU'} ({g.gfx})" for g in discrete)) if old else ""
        )
    said = said or (heard(facts.errors, "gpu-lacks-bf16/on-old") if names else "")
    if not names and not said:
        return None
    return worded(
        "gpu-lacks-bf16",
        severity="error" if said else None,
        found=names or f"the error '{said}'",
        said=said,
        settle="" if names or not _anywhere(facts) else SETTLE,
    )


SETTLE = (
    'python -c "import torch; print(torch.cuda.is_available(), torch.cuda.get_device_capability())"'
)


def _anywhere(facts: Facts) -> bool:
    """Tell a message that a Trainer gives where no GPU is seen as well: it names Ampere only where one is."""
    words = "Your setup doesn't support bf16"
    return bool(told(facts.errors, words)) and not told(facts.errors, words + r"[^\n]{0,160}Ampere")


def _nvidia(facts: Facts) -> str:
    cards = visible_gpus(facts.nvidia.gpus, facts.environment) if facts.nvidia else ()
    told_ = [card for card in cards if card.compute_capability]
    if not told_ or any(parts(card.compute_capability) >= (8, 0) for card in told_):
        return ""
    return listed(
        dict.fromkeys(f"{c.name} (compute capability {c.compute_capability})" for c in told_)
    )
