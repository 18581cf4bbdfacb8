import re

from tunedoctor.api import (
    AmdGpus,
    Facts,
    Finding,
    amd_integrated,
    check,
    heard,
    listed,
    set_variable,
    worded,
)

VARIABLES = (
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
)


@check("rocm-igpu-confusion")
def rocm_igpu_confusion(facts: Facts) -> Finding | None:
    """Only for a ROCm build; a log that names two devices and fails on the second decides as well."""
    both = len({gpu.integrated for gpu in facts.amd.gpus}) > 1
    if landed := _landed(facts, facts.amd):
        return landed
    if not facts.amd or (
        not facts.environment and not (both and heard(facts.errors, "rocm-igpu-confusion/crashed"))
    ):
        return _from_text(facts) or (_first_is_integrated(facts, facts.amd))
    if not facts.torch and both:
        return _from_text(facts) or _first_is_integrated(facts, facts.amd)
    if facts.torch.accelerator != "rocm" or any(
        facts.environment.get(v) is not None for v in VARIABLES
    ):
        return None
    chips = [gpu for gpu in facts.amd.gpus if gpu.integrated]
    cards = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    # torch may leave the integrated GPU out by itself: then nothing is wrong
    counted = len([d for d in facts.runtime.devices if d.kind == "rocm"])
    if not chips or not cards or (counted and counted <= len(cards)):
        return None
    indexes = ",".join(str(gpu.index) for gpu in cards)
    return worded(
        "rocm-igpu-confusion",
        found=f"{listed(f'{g.name or g.gfx} ({g.gfx})' for g in chips)} is listed beside "
        f"{listed(f'{g.name or g.gfx} ({g.gfx})' for g in cards)}; no variable hides it",
        cure=set_variable(facts.host, "HIP_VISIBLE_DEVICES", indexes),
    )


def _landed(facts: Facts, gpus: AmdGpus) -> Finding | None:
    """Read for which target rocBLAS had no code: one of a processor, where there is a card."""
    said = heard(facts.errors, "rocm-igpu-confusion/landed")
    named = re.search(r"gfx[0-9a-f]{3,5}", said)
    card = next((gpu for gpu in gpus.gpus if gpu.gfx and not gpu.integrated), None)
    if named is None or card is None or not amd_integrated(named[0]):
        return None
    chips = [gpu for gpu in gpus.gpus if gpu.integrated]
    return worded(
        "rocm-igpu-confusion/landed",
        found=f"rocBLAS looked for code for {named[0]}, a part of the processor; "
        f"the card is {card.name or card.gfx} ({card.gfx})",
        said=said,
        cure=set_variable(facts.host, "HIP_VISIBLE_DEVICES", str(card.index if chips else 1)),
    )


def _first_is_integrated(facts: Facts, gpus: AmdGpus) -> Finding | None:
    """Suspect the integrated GPU where it is the first of two kinds and the program died without a word."""
    full = heard(facts.errors, "rocm-igpu-confusion/full")
    died = full or heard(facts.errors, "rocm-igpu-confusion/crashed", "rocm-igpu-confusion/died")
    first = min(gpus.gpus, key=lambda gpu: gpu.index, default=None)
    card = next((gpu for gpu in gpus.gpus if not gpu.integrated), None)
    if not died or first is None or card is None or not first.integrated:
        return None
    return worded(
        "rocm-igpu-confusion/first-is-integrated",
        found=f"the first GPU is {first.name or first.gfx}, a part of the processor; '{died}'",
        said=died,
        settle=""
        if full
        else f"HIP_VISIBLE_DEVICES={card.index} python -c 'import torch; print(torch.ones(2).cuda() + 1)'",
        cure=set_variable(None, "HIP_VISIBLE_DEVICES", str(card.index)),
    )


def _from_text(facts: Facts) -> Finding | None:
    """Take a device above 0 without code for the integrated one."""
    if not facts.errors:
        return None
    text = "\n".join(error.text for error in facts.errors.errors)
    if not re.search(r"invalid device function", text) or not re.search(
        r"current device: [1-9]", text
    ):
        return None
    return worded("rocm-igpu-confusion/from-text", said="invalid device function")
