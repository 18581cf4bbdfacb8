from tunedoctor import api

WORDS = {
    "hw-slowdown": "hardware slowdown",
    "hw-thermal": "thermal slowdown by the hardware",
    "sw-thermal": "thermal slowdown by the driver",
    "power-brake": "power brake of the supply",
}


@api.check("gpu-throttled")
def gpu_throttled(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Take the reasons as the driver gives them."""
    slow = [card for card in gpus.gpus if card.throttle]
    if not slow:
        return None
    reasons = {reason for card in slow for reason in card.throttle}
    power = reasons <= {"power-brake", "hw-slowdown"}
    found = "; ".join(
        f"GPU {card.index} ({card.name}): {api.listed(WORDS.get(r, r) for r in card.throttle)}"
        for card in slow[:4]
    )
    case = "gpu-throttled:power" if power else "gpu-throttled:else"
    return facts.worded("gpu-throttled", case, found=found, index=slow[0].index)
