from typing import Any

from tunedoctor import api

FIRST_MAXWELL = "1340"
"""Lowest PCI device id of Maxwell, GM107; those of Kepler and older lie below. Source: pci.ids."""
VIRTUAL = ("vfio-pci", "pci-stub")
DRACUT = ("fedora", "rhel", "almalinux", "rocky", "ol", "centos", "amzn")


@api.check("driver-missing")
def driver_missing(facts: api.Facts) -> api.Finding | None:
    """Take the state from the kernel's files; from an error text only where those are not known."""
    if facts.torch.accelerator in ("rocm", "xpu", "mps"):
        return None
    cards, state = facts.pci.of("10de"), facts.nvidia_module
    if facts.pci and not any(_trains(card) for card in cards):
        return None
    # of a report, which names no card: whether it says why the module is not loaded
    tells = state.loaded or state.nouveau or state.secure_boot or state.on_disk is False
    if not state or not (facts.pci or tells):
        return _from_text(facts)
    if state.loaded or (not facts.pci and _served(facts)):
        return None
    return _state(facts, cards)


def _served(facts: api.Facts) -> bool:
    """Tell whether GPUs that a report names were shown by a driver; a name alone is what the user says."""
    shown = any(c.memory_total or c.uuid for c in facts.nvidia.gpus)
    works = facts.runtime.gpu_available or facts.nvidia_driver or shown
    return bool(facts.nvidia and works)


def _trains(card: api.PciDevice) -> bool:
    """Tell whether a current torch runs on a card: not on Kepler and older, which the table leaves out."""
    model = api.nvidia_by_pci(card.device)
    if model is None and card.device and card.device < FIRST_MAXWELL:
        return False
    if not card.device and api.expression("driver-missing/old-chip").match(card.name):
        return False
    capability = model.compute_capability if model else ""
    return not capability or api.parts(capability) >= (5,)


def _state(facts: api.Facts, cards: tuple[api.PciDevice, ...]) -> api.Finding:
    state, answer = facts.nvidia_module, facts.nvidia_answer
    models = [api.nvidia_by_pci(card.device) for card in cards]
    # the driver's own libraries or tools are installed, though they fail
    libraries = answer.says(9) or answer.nvml in ("error", "hung", "crashed")
    words: dict[str, Any] = {
        "names": api.listed(map(_name, cards)) or "an NVIDIA GPU",
        "kernel": f"kernel {facts.host.kernel}" if facts.host.kernel else "the running kernel",
        "there": "is installed and not loaded" if state.on_disk else "is not loaded",
    }
    if cards and all(card.driver in VIRTUAL for card in cards):
        slots = [card.slot for card in cards]
        return facts.worded("driver-missing/virtual", **words, by=cards[0].driver, slots=slots)
    if state.on_disk is False and libraries:
        way = api.rebuild_module(facts.host)
        return facts.worded("driver-missing/no-module", cure=way.cure, **words, note=way.note)
    if state.on_disk is False or (state.on_disk is None and not libraries):
        old = bool(models) and all(model and model.last_branch for model in models)
        words["way"] = api.install_driver(facts.host, old_card=old, container=facts.container)
        words["lacks"] = f"for {words['kernel']}" if state.on_disk is False else "is loaded"
        owner = "nouveau" if state.nouveau else ""
        return facts.worded("driver-missing/not-installed", **words, owner=owner)
    if state.nouveau:
        case = "driver-missing/nouveau:dracut" if facts.host.distro in DRACUT else ""
        return facts.worded(case, "driver-missing/nouveau", **words)
    if state.secure_boot:
        case = f"driver-missing/secure-boot:{facts.host.distro}"
        return facts.worded(case, "driver-missing/secure-boot", **words)
    return facts.worded("driver-missing", **words)


def _from_text(facts: api.Facts) -> api.Finding | None:
    answer = facts.nvidia_answer
    said = answer.smi_text or answer.nvml_text or "NVML error 9, driver not loaded"
    if not answer.says(9):
        said = facts.heard("driver-missing/logged", "driver-missing")
    unseen = "" if said else facts.heard("driver-missing/engine")
    said = said or unseen
    if not said or _served(facts) or facts.host.wsl:
        return None
    settle = "nvidia-smi; docker context ls" if unseen else ""
    first, key = said.splitlines()[0].rstrip(" ."), "driver-missing/from-text"
    return facts.worded(key, said=said, first=first, settle=settle)


def _name(card: api.PciDevice) -> str:
    model = api.nvidia_by_pci(card.device)
    if model and model.name:
        return model.name
    return f"NVIDIA GPU 10de:{card.device}" if card.device else f"NVIDIA {card.name}".rstrip()
