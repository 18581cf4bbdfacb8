"""A GPU slows its clocks by reason of a fault: heat or power.

What it means
    Every GPU lowers its clocks at its power limit; that is normal. Hardware slowdown, thermal slowdown and the power
    brake are not: the card or its supply is in trouble, and training runs at a fraction of its speed.

How it is found
    The clock event reasons that the driver gives for each GPU at this moment.

Cures
    Better cooling or a lower power limit; for the power brake the supply and its cables.

When to ignore it
    Where the machine just came out of heavy load.

Seen as
    HW Thermal Slowdown : Active
    HW Power Brake Slowdown : Active
"""

from tunedoctor.api import Finding, NvidiaGpus, check, listed, worded

WORDS = {
    "hw-slowdown": "hardware slowdown",
    "hw-thermal": "thermal slowdown by the hardware",
    "sw-thermal": "thermal slowdown by the driver",
    "power-brake": "power brake of the supply",
}


@check("gpu-throttled", "A GPU is slowed down by heat or power", "warning")
def gpu_throttled(gpus: NvidiaGpus) -> Finding | None:
    """Take the reasons as the driver gives them."""
    slow = [card for card in gpus.gpus if card.throttle]
    if not slow:
        return None
    reasons = {reason for card in slow for reason in card.throttle}
    power = reasons <= {"power-brake", "hw-slowdown"}
    return worded(
        "gpu-throttled",
        "gpu-throttled:power" if power else "gpu-throttled:else",
        found="; ".join(
            f"GPU {card.index} ({card.name}): {listed(WORDS.get(r, r) for r in card.throttle)}"
            for card in slow[:4]
        ),
        cure_note="hardware slowdown without heat comes from the supply"
        if power
        else f"until then a lower power limit helps: sudo nvidia-smi -i {slow[0].index} -pl WATTS",
    )
