import re

from tunedoctor.api import (
    Facts,
    Finding,
    NvidiaAnswer,
    NvidiaGpu,
    Xid,
    advise,
    check,
    heard,
    tell,
    worded,
    xid_meaning,
)

REBOOT = "sudo reboot"


@check("gpu-faulty")
def gpu_faulty(facts: Facts) -> Finding | None:
    """Worst first: lost, beyond repair, in need of a reset now, then what the log says of the past."""
    lost = 15 in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    )
    if lost or (facts.kernel_log.fell_off_bus) or _newest(facts, 79):
        return _lost(facts, facts.nvidia_answer if lost else None)
    for card in facts.nvidia.gpus:
        if finding := _state(card):
            return finding
    if (finding := _logged(facts)) is not None:
        return finding
    said = heard(facts.errors, "gpu-faulty")
    if not said:
        return None
    return worded("gpu-faulty", said=said)


def _lost(facts: Facts, reply: NvidiaAnswer | None) -> Finding:
    xid = _newest(facts, 79)
    where = f" at {xid.slot}" if xid and xid.slot else ""
    by = "the driver answers 'GPU is lost' (15)" if reply else "the kernel log says so"
    return worded(
        "gpu-faulty/lost",
        found=f"a GPU{where} no longer answers on the PCI bus: {by}",
        said="GPU is lost" if reply else "",
        evidence=("kernel log",) if facts.kernel_log else (),
    )


def _state(card: NvidiaGpu) -> Finding | None:
    """Return what the driver says of a card now."""
    name = f"GPU {card.index} ({card.name})"
    reset = tell(f"sudo nvidia-smi --gpu-reset -i {card.index}")
    if card.remap_failed:
        return worded(
            "gpu-faulty/beyond-repair",
            cure_note=f"until then, leave it out of CUDA_VISIBLE_DEVICES; its UUID is {card.uuid or 'not known'}",
            index=card.index,
            name=name,
        )
    action = card.recovery_action.upper().replace(" ", "_")
    if action and action not in ("NONE", "N/A"):
        reboots = "REBOOT" in action
        return worded(
            "gpu-faulty/asks",
            "gpu-faulty/asks:reboot" if reboots else "gpu-faulty/asks:reset",
            found=f"{name}: recovery action {action}",
            cure=tell(REBOOT, who="reboot") if reboots else reset,
        )
    if card.remap_pending or card.ecc_uncorrected:
        count = (
            f"{card.ecc_uncorrected} uncorrectable memory errors since boot"
            if card.ecc_uncorrected
            else ""
        )
        pending = (
            "a faulty memory row waits for a reset to be mapped out" if card.remap_pending else ""
        )
        return worded(
            "gpu-faulty/memory-errors",
            found=f"{name}: {'; '.join(t for t in (count, pending) if t)}",
            cure=reset,
        )
    return None


def _logged(facts: Facts) -> Finding | None:
    """Return what the log of this boot says, unless a later Xid 154 took it back."""
    xids = facts.kernel_log.xids
    cleared: set[str] = set()
    for xid in reversed(xids):
        if xid.number == 154 and re.search(r"to 0x0\b|\(None\)\s*$", xid.text):
            cleared.add(xid.slot)
        meaning = xid_meaning(xid.number, xid.text)
        if meaning is None or xid.slot in cleared:
            continue
        answers = any(card.slot == xid.slot for card in facts.nvidia.gpus)
        past = meaning.asks == "idle" or (answers and meaning.asks in ("reset", "reboot"))
        where = f" at {xid.slot}" if xid.slot else ""
        cure, note = {
            "replace": (
                advise("Take that GPU out of service and have it replaced"),
                "memory repair is used up",
            ),
            "power": (
                advise("Connect the power cable of that GPU"),
                "switch the machine off first",
            ),
            "idle": (
                tell("sudo nvidia-smi --gpu-reset -i N"),
                "root; N is the index of that GPU; stop every program on it first. Until then, start the run anew",
            ),
        }.get(
            meaning.asks,
            (
                tell(REBOOT, who="reboot"),
                "root; or reset the idle card: sudo nvidia-smi --gpu-reset -i N",
            ),
        )
        return worded(
            "gpu-faulty/logged",
            title="A GPU has memory errors"
            if meaning.asks == "idle"
            else "A GPU has failed since this boot",
            severity="warning" if past else "error",
            found=f"Xid {xid.number}{where} in the kernel log: {meaning.name}",
            cure=cure,
            cure_note=note,
        )
    return None


def _newest(facts: Facts, number: int) -> Xid | None:
    return next(
        (x for x in reversed(facts.kernel_log.xids) if x.number == number),
        None,
    )
