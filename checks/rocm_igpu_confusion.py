import re

from tunedoctor import api

VARIABLES = (*(f"{one}_VISIBLE_DEVICES" for one in ("HIP", "ROCR", "CUDA")), "GPU_DEVICE_ORDINAL")


@api.check("rocm-igpu-confusion")
def rocm_igpu_confusion(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build; a log that names two devices and fails on the second decides as well."""
    chips = [gpu for gpu in facts.amd.gpus if gpu.integrated]
    cards = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    both = bool(chips and cards)
    if landed := _landed(facts, chips, cards):
        return landed
    crashed = both and facts.heard("rocm-igpu-confusion/crashed")
    blind = not facts.amd or not (facts.environment or crashed)
    if blind or (both and not facts.torch):
        return _from_text(facts) or _first_is_integrated(facts, cards)
    hidden = any(facts.environment.get(name) is not None for name in VARIABLES)
    # torch may leave the integrated GPU out by itself: then nothing is wrong
    counted = len([d for d in facts.runtime.devices if d.kind == "rocm"])
    if not both or hidden or facts.torch.accelerator != "rocm" or 0 < counted <= len(cards):
        return None
    indexes = ",".join(str(gpu.index) for gpu in cards)
    key, named = "rocm-igpu-confusion", [*map(_named, cards)]
    return facts.worded(key, indexes=indexes, chips=[*map(_named, chips)], cards=named)


def _named(gpu: api.AmdGpu) -> str:
    return f"{gpu.name or gpu.gfx} ({gpu.gfx})"


def _landed(
    facts: api.Facts, chips: list[api.AmdGpu], cards: list[api.AmdGpu]
) -> api.Finding | None:
    """Read for which target rocBLAS had no code: one of a processor, where there is a card."""
    said = facts.heard("rocm-igpu-confusion/landed")
    named = re.search(r"gfx[0-9a-f]{3,5}", said)
    card = next((gpu for gpu in cards if gpu.gfx), None)
    if named is None or card is None or not api.amd_integrated(named[0]):
        return None
    key, index = "rocm-igpu-confusion/landed", card.index if chips else 1
    return facts.worded(key, said=said, gfx=named[0], card=_named(card), index=index)


def _first_is_integrated(facts: api.Facts, cards: list[api.AmdGpu]) -> api.Finding | None:
    """Suspect the integrated GPU where it is the first of two kinds and the program died without a word."""
    full = facts.heard("rocm-igpu-confusion/full")
    died = full or facts.heard("rocm-igpu-confusion/crashed", "rocm-igpu-confusion/died")
    first = min(facts.amd.gpus, key=lambda gpu: gpu.index, default=None)
    if not died or first is None or not cards or not first.integrated:
        return None
    case = "" if full else "rocm-igpu-confusion/first-is-integrated:died"
    key, name = "rocm-igpu-confusion/first-is-integrated", first.name or first.gfx
    return facts.worded(key, case, said=died, first=name, card=cards[0])


def _from_text(facts: api.Facts) -> api.Finding | None:
    """Take a device above 0 without code for the integrated one."""
    lacks = facts.matched("rocm-igpu-confusion/function")
    second = api.expression("rocm-igpu-confusion/second")
    if not lacks or not any(second.search(error.text) for error in facts.errors.errors):
        return None
    return facts.worded("rocm-igpu-confusion/from-text", said=lacks[0])
