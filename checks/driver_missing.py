from tunedoctor.api import (
    Facts,
    Finding,
    Host,
    NvidiaModule,
    PciDevice,
    check,
    expression,
    heard,
    install_driver,
    listed,
    nvidia_by_pci,
    parts,
    rebuild_module,
    worded,
)

FIRST_MAXWELL = "1340"
"""Lowest PCI device id of Maxwell, GM107; those of Kepler and older lie below. Source: pci.ids."""
VIRTUAL = ("vfio-pci", "pci-stub")


@check("driver-missing")
def driver_missing(facts: Facts) -> Finding | None:
    """Take the state from the kernel's files; from an error text only where those are not known."""
    if facts.torch.accelerator in ("rocm", "xpu", "mps"):
        return None
    cards = facts.pci.of("10de")
    if facts.pci and not any(_trains(card) for card in cards):
        return None
    served = _served(facts)
    if not facts.nvidia_module or (not facts.pci and not _tells(facts.nvidia_module)):
        return _from_text(facts, served=served)
    if facts.nvidia_module.loaded or (not facts.pci and served):
        return None
    return _state(facts, cards, facts.nvidia_module)


def _served(facts: Facts) -> bool:
    """Tell whether GPUs that a report names were shown by a driver; a name alone is what the user says."""
    if not facts.nvidia:
        return False
    works = bool(facts.runtime.gpu_available)
    return works or facts.nvidia_driver or any(c.memory_total or c.uuid for c in facts.nvidia.gpus)


def _trains(card: PciDevice) -> bool:
    """Tell whether a current torch runs on a card: not on Kepler and older, which the table leaves out."""
    model = nvidia_by_pci(card.device)
    if model is None and card.device and card.device < FIRST_MAXWELL:
        return False
    if not card.device and expression("driver-missing/old-chip").match(card.name):
        return False
    capability = model.compute_capability if model else ""
    return not capability or parts(capability) >= (5,)


def _tells(state: NvidiaModule) -> bool:
    """Tell whether the state of a report, which names no card, says why the module is not loaded."""
    return state.loaded or state.nouveau or bool(state.secure_boot) or state.on_disk is False


def _state(facts: Facts, cards: tuple[PciDevice, ...], state: NvidiaModule) -> Finding:
    names = listed(_name(card) for card in cards) or "an NVIDIA GPU"
    kernel = f"kernel {facts.host.kernel}" if facts.host.kernel else "the running kernel"
    seen = ("/sys/bus/pci/devices", "/sys/module/nvidia")
    old = bool(cards) and all(_is_old(card) for card in cards)
    if cards and all(card.driver in VIRTUAL for card in cards):
        slots = listed(card.slot for card in cards)
        return worded(
            "driver-missing/virtual",
            found=f"{names}: bound to {cards[0].driver} at {slots}",
            evidence=(*seen, "/proc/cmdline"),
        )
    if state.on_disk is False and _libraries_there(facts):
        cure = rebuild_module(facts.host)
        return worded(
            "driver-missing/no-module",
            found=f"{names}; the driver's libraries are installed, but /lib/modules has no nvidia module for {kernel}",
            cure=cure.cure,
            cure_note=_on_host(facts, cure.note),
            evidence=(*seen, "/lib/modules"),
        )
    if state.on_disk is False or (state.on_disk is None and not _libraries_there(facts)):
        install = install_driver(facts.host, old_card=old, container=facts.container)
        owner = "; nouveau drives the card" if state.nouveau else ""
        lacks = (
            f"no nvidia module for {kernel}"
            if state.on_disk is False
            else "no nvidia module is loaded"
        )
        return worded(
            "driver-missing/not-installed",
            found=f"{names}; {lacks}{owner}",
            cure=install.cure,
            cure_note=install.note,
            evidence=(*seen, "/lib/modules"),
        )
    if state.nouveau:
        images = "sudo dracut --force" if _has_dracut(facts.host) else "sudo update-initramfs -u"
        return worded(
            "driver-missing/nouveau",
            found=f"{names}: driven by nouveau; {_not_loaded(state, kernel)}",
            cure_note=_on_host(facts, "root; reboots"),
            evidence=(*seen, "/sys/module/nouveau"),
            images=images,
        )
    if state.secure_boot:
        return _secure_boot(facts, f"{names}; {_not_loaded(state, kernel)}")
    return worded(
        "driver-missing",
        found=f"{names}; {_not_loaded(state, kernel)}",
        cure_note=_on_host(facts, "root; if it fails, `sudo dmesg | tail -50` states the reason"),
        evidence=(*seen, "/lib/modules"),
    )


def _not_loaded(state: NvidiaModule, kernel: str) -> str:
    there = "is installed and not loaded" if state.on_disk else "is not loaded"
    return f"the nvidia module for {kernel} {there}"


def _secure_boot(facts: Facts, found: str) -> Finding:
    signed = facts.host.distro == "ubuntu"
    akmods = facts.host.distro in ("fedora", "nobara")
    key = "/etc/pki/akmods/certs/public_key.der" if akmods else "/var/lib/dkms/mok.pub"
    return worded(
        "driver-missing/secure-boot",
        "driver-missing/secure-boot:signed" if signed else "driver-missing/secure-boot:own-key",
        cure_note=_on_host(
            facts,
            "root; reboots; the module is signed by Canonical"
            if signed
            else "root; reboots; choose Enroll MOK on the blue screen, at the machine's own keyboard",
        ),
        what=found,
        key=key,
    )


def _from_text(facts: Facts, *, served: bool) -> Finding | None:
    if 9 in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    ):
        said = (
            facts.nvidia_answer.smi_text
            or facts.nvidia_answer.nvml_text
            or "NVML error 9, driver not loaded"
        )
    else:
        said = heard(facts.errors, "driver-missing/logged", "driver-missing")
    unseen = "" if said else heard(facts.errors, "driver-missing/engine")
    said = said or unseen
    if not said or served or (facts.host.wsl):
        return None
    return worded(
        "driver-missing/from-text",
        found=f"the error '{said.splitlines()[0].rstrip(' .')}'",
        said=said,
        cure_note=_on_host(
            facts, "root; where it finds no module, install the driver, or build it for this kernel"
        ),
        settle="nvidia-smi; docker context ls" if unseen else "",
    )


def _libraries_there(facts: Facts) -> bool:
    """Tell whether the driver's own libraries or tools are installed, though they fail."""
    return 9 in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    ) or facts.nvidia_answer.nvml in ("error", "hung", "crashed")


def _name(card: PciDevice) -> str:
    model = nvidia_by_pci(card.device)
    if model and model.name:
        return model.name
    return f"NVIDIA GPU 10de:{card.device}" if card.device else f"NVIDIA {card.name}".rstrip()


def _is_old(card: PciDevice) -> bool:
    model = nvidia_by_pci(card.device)
    return model is not None and model.last_branch != ""


def _has_dracut(host: Host) -> bool:
    return host.distro in ("fedora", "rhel", "almalinux", "rocky", "ol", "centos", "amzn")


def _on_host(facts: Facts, note: str) -> str:
    return f"on the host of this container: {note}" if facts.container else note
