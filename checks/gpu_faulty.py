import re
from typing import Any

from tunedoctor import api

TAKEN_BACK = re.compile(r"to 0x0\b|\(None\)\s*$")


@api.check("gpu-faulty")
def gpu_faulty(facts: api.Facts) -> api.Finding | None:
    """Worst first: lost, beyond repair, in need of a reset now, then what the log says of the past."""
    lost = facts.nvidia_answer.says(15)
    newest = next((x for x in reversed(facts.kernel_log.xids) if x.number == 79), None)
    if lost or facts.kernel_log.fell_off_bus or newest:
        slot, log = newest.slot if newest else "", "kernel log" if facts.kernel_log else ""
        key, said = "gpu-faulty/lost", "GPU is lost" if lost else ""
        by = "the driver answers 'GPU is lost' (15)" if lost else "the kernel log says so"
        return facts.worded(key, said=said, evidence=(log,), slot=slot, by=by)
    states = (finding for card in facts.nvidia.gpus if (finding := _state(facts, card)))
    return next(states, None) or _logged(facts) or facts.if_heard("gpu-faulty")


def _state(facts: api.Facts, card: api.NvidiaGpu) -> api.Finding | None:
    """Return what the driver says of a card now."""
    card_is: dict[str, Any] = {"index": card.index, "name": f"GPU {card.index} ({card.name})"}
    if card.remap_failed:
        return facts.worded("gpu-faulty/beyond-repair", **card_is, uuid=card.uuid or "not known")
    action = card.recovery_action.upper().replace(" ", "_")
    if action and action not in ("NONE", "N/A"):
        case = "reboot" if "REBOOT" in action else "reset"
        return facts.worded("gpu-faulty/asks", f"gpu-faulty/asks:{case}", **card_is, action=action)
    errors, pending = card.ecc_uncorrected, card.remap_pending
    count = f"{errors} uncorrectable memory errors since boot" if errors else ""
    waits = "a faulty memory row waits for a reset to be mapped out" if pending else ""
    faults = "; ".join(filter(None, (count, waits)))
    return facts.worded("gpu-faulty/memory-errors", **card_is, faults=faults) if faults else None


def _logged(facts: api.Facts) -> api.Finding | None:
    """Return what the log of this boot says, unless a later Xid 154 took it back."""
    cleared: set[str] = set()
    for xid in reversed(facts.kernel_log.xids):
        if xid.number == 154 and TAKEN_BACK.search(xid.text):
            cleared.add(xid.slot)
        meaning = api.xid_meaning(xid.number, xid.text)
        if meaning is not None and xid.slot not in cleared:
            asks, name = meaning.asks, meaning.name
            answers = any(card.slot == xid.slot for card in facts.nvidia.gpus)
            past = asks == "idle" or (answers and asks in ("reset", "reboot"))
            case = "gpu-faulty/logged:past" if past else ""
            return facts.worded(
                case, f"gpu-faulty/logged:{asks}", "gpu-faulty/logged", xid=xid, name=name
            )
    return None
