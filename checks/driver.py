from typing import Any

from tunedoctor import api


@api.check("driver-hung")
def driver_hung(facts: api.Facts) -> api.Finding | None:
    """Report NVML or nvidia-smi hanging; otherwise an error text that says so."""
    answer = facts.nvidia_answer
    tools = {"NVML": answer.nvml, "nvidia-smi": answer.smi}
    stuck = [name for name, how in tools.items() if how == "hung" and answer.nvml != "ok"]
    error = facts.heard()
    waits = "" if error else facts.heard("/waits")
    if not stuck and not error and not waits:
        return None
    names = " and ".join(stuck)
    case = ":stuck" if stuck else ":waits" if waits else ""
    return facts.worded(
        case, said=error or waits, evidence=tuple(stuck), stuck=names, inside=facts.container
    )


@api.check("driver-library-mismatch")
def driver_library_mismatch(facts: api.Facts) -> api.Finding | None:
    """Decide by NVML's error 18 or CUDA's 803; by two versions alone unless NVML works."""
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    refused, error = answer.says(18), facts.heard()
    library = api.parts(driver.library)
    differ = len(library) > 1 and library != api.parts(driver.version)
    if facts.host.wsl or facts.host.os == "windows" or (answer.nvml == "ok" and not error):
        return None
    if not (refused or error or (differ and answer)):
        return None
    by_cuda = facts.search("/cuda", error) is not None
    case = "versions" if differ else "nvml" if refused else "said"
    # CUDA's error alone does not show whose libcuda was loaded
    unsettled = ":open" if by_cuda and not refused and not differ else ""
    where = (":inside", unsettled) if facts.container else (unsettled, ":else")
    triplet = "aarch64-linux-gnu" if facts.host.machine == "aarch64" else "x86_64-linux-gnu"
    return facts.worded(f":{case}", *where, ":read" if driver else "", said=error, triplet=triplet)


FIRST_MAXWELL = "1340"
"""Lowest PCI device id of Maxwell, GM107; those of Kepler and older lie below. Source: pci.ids."""
VIRTUAL = ("vfio-pci", "pci-stub")
DRACUT = ("fedora", "rhel", "almalinux", "rocky", "ol", "centos", "amzn")


@api.check("driver-missing")
def driver_missing(facts: api.Facts) -> api.Finding | None:
    """Read the state from the kernel's files, or from an error text if those are unknown."""
    if facts.torch.accelerator in ("rocm", "xpu", "mps"):
        return None
    cards, state = facts.pci.of("10de"), facts.nvidia_module
    # without an environment, the vendor with more cards counts: the other one drives a screen
    others = [] if facts.torch else [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    if facts.pci and (not any(map(_trains, cards)) or len(cards) <= len(others)):
        return None
    # a report that names no card: does it say why the module is not loaded?
    tells = state.loaded or state.nouveau or state.secure_boot or state.on_disk is False
    if not state or not (facts.pci or tells):
        return _from_text(facts)
    return None if state.loaded or (not facts.pci and _served(facts)) else _state(facts, cards)


def _served(facts: api.Facts) -> bool:
    """Return whether a driver listed the GPUs in a report; a name alone is only the user's word."""
    measured = any(c.memory_total or c.uuid for c in facts.nvidia.gpus)
    return bool(facts.nvidia and (facts.runtime.gpu_available or facts.nvidia_driver or measured))


def _trains(card: api.PciDevice) -> bool:
    """Return whether current torch runs on a card: not on Kepler and older, which the table omits."""
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
        "there": "is installed but not loaded" if state.on_disk else "is not loaded",
    }
    if cards and all(card.driver in VIRTUAL for card in cards):
        slots = [card.slot for card in cards]
        return facts.worded("/virtual", **words, by=cards[0].driver, slots=slots)
    if state.on_disk is False and libraries:
        advice = api.rebuild_module(facts.host)
        return facts.worded("/no-module", cure=advice.cure, **words, note=advice.note)
    if state.on_disk is False or (state.on_disk is None and not libraries):
        old = bool(models) and all(model and model.last_branch for model in models)
        words["way"] = api.install_driver(facts.host, old_card=old, container=facts.container)
        words["lacks"] = f"for {words['kernel']}" if state.on_disk is False else "is loaded"
        return facts.worded("/not-installed", **words, owner="nouveau" if state.nouveau else "")
    if state.nouveau:
        case = "/nouveau:dracut" if facts.host.distro in DRACUT else ""
        return facts.worded(case, "/nouveau", **words)
    if state.secure_boot:
        return facts.worded(f"/secure-boot:{facts.host.distro}", **words)
    return facts.worded(**words)


def _from_text(facts: api.Facts) -> api.Finding | None:
    answer = facts.nvidia_answer
    error = answer.smi_text or answer.nvml_text or "NVML error 9, driver not loaded"
    if not answer.says(9):
        error = facts.heard("/logged", "")
    unseen = "" if error else facts.heard("/engine")
    error = error or unseen
    if not error or _served(facts) or facts.host.wsl:
        return None
    settle = "nvidia-smi; docker context ls" if unseen else ""
    first = error.splitlines()[0].rstrip(" .")
    return facts.worded("/from-text", said=error, first=first, settle=settle)


def _name(card: api.PciDevice) -> str:
    model = api.nvidia_by_pci(card.device)
    if model and model.name:
        return model.name
    return f"NVIDIA GPU 10de:{card.device}" if card.device else f"NVIDIA {card.name}".rstrip()


BEFORE_11 = {"10.2": "440.33", "10.1": "418.39", "10.0": "410.48", "9.2": "396.26"}
"""Floors on Linux of releases before minor versions were compatible. Source: CUDA release notes, table of drivers."""


@api.check("driver-too-old")
def driver_too_old(facts: api.Facts) -> api.Finding | None:
    """Compare the driver with the minimum for the build's CUDA major; torch's own message comes first."""
    if facts.runtime.gpu_works:
        return None
    torch, driver, windows = facts.torch, facts.nvidia_driver, facts.host.windows_driver
    error = facts.heard()
    floor = "" if windows else BEFORE_11.get(".".join(torch.cuda.split(".")[:2]), "")
    floor = floor or (api.driver_floor(torch.cuda, windows=windows) if torch.cuda else "")
    # JetPack 5 reports the release of its system, for example 35.4.1
    comparable = api.parts(driver.version)[:1] >= (100,)
    low = bool(floor) and comparable and not api.at_least(driver.version, floor)
    # a cuda-compat library can raise what the driver offers to the release of the build
    raised = bool(driver.cuda and torch) and api.at_least(driver.cuda, torch.cuda)
    if not error and (not low or raised):
        return None
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    capabilities = tuple({card.compute_capability for card in cards if card.compute_capability})
    offered, version, fit = _cuda_of(error), driver.version, None
    if not driver and offered:
        version = api.driver_floor(f"{api.parts(offered)[0]}.0", windows=False)
    if version:
        fit = api.rebuild_cuda((facts.host, facts.interpreter, torch), version, capabilities)
    if fit and torch and fit.cure and fit.variant == torch.variant:
        fit = None
    old = bool(capabilities) and all(api.parts(c) < (7, 5) for c in capabilities)
    install = api.install_driver(facts.host, floor, old_card=old, container=facts.container)
    what = [torch.named] if torch else []
    what += [f"driver {driver.version}"] if driver else []
    return facts.worded(
        ":low" if low and driver else ":said",
        said=error,
        way=fit or install,
        cure_note=f"{fit.note}; or a newer driver: {install.cure.command}" if fit else "",
        floor=floor,
        driver=driver.version,
        what=", ".join((*what, "and ")) if what else "",
        offered=offered,
    )


def _cuda_of(error: str) -> str:
    """Return "12.8" of "found version 12080": that number is a CUDA release, not a driver."""
    if number := api.expression("driver-too-old/number").search(error):
        return f"{int(number[1]) // 1000}.{int(number[1]) % 1000 // 10}"
    offered = api.expression("driver-too-old/offered").search(error)
    return offered[1] if offered else ""


@api.check("cuda-compat-unsupported-gpu")
def cuda_compat_unsupported_gpu(facts: api.Facts) -> api.Finding | None:
    """Decide by error 804, or by a libcuda from a compat folder newer than the module on a GeForce card."""
    if facts.runtime.gpu_works:
        return None
    error, file = facts.heard(), _compat_file(facts)
    geforce = [card.name for card in facts.nvidia.gpus if "GeForce" in card.name]
    # the driver's own libcuda, newer than the module that is still loaded, ends in 804 too
    if not file and (not error or facts.nvidia_answer.says(18)):
        return None
    if not error and not geforce:
        return None
    folders = (facts.environment.get("LD_LIBRARY_PATH") or "").split(":")
    remaining = ":".join(folder for folder in folders if folder and "/compat" not in folder)
    cure = api.set_variable(None, "LD_LIBRARY_PATH", remaining or None)
    subject = f"the error '{error}'" if error else geforce[0]
    return facts.worded(said=error, cure=cure, subject=subject, file=file)


def _compat_file(facts: api.Facts) -> str:
    """Return the libcuda of a compat folder that the loader finds first, where it is newer than the module."""
    for shadow in facts.library_path.shadows:
        if shadow.library == "libcuda" and "/compat" in shadow.path:
            own = api.parts(facts.nvidia_driver.version)
            newer = not (shadow.version and own) or api.parts(shadow.version) > own
            return shadow.path if newer else ""
    return ""


WAITING = ("not started", "in progress")
OWN_BRANCH = "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0 | cut -d. -f1)"
"""Shell command that reads the driver branch if a report does not contain it."""


@api.check("fabric-manager-missing")
def fabric_manager_missing(facts: api.Facts) -> api.Finding | None:
    """Decide by the fabric state or error 802; NVSwitches alone prove nothing."""
    if facts.runtime.gpu_works:
        return None
    waiting = [card for card in facts.nvidia.gpus if card.fabric_state in WAITING]
    error = facts.heard()
    service = facts.heard("/service")
    failed = error or facts.runtime.gpu_available is False
    # a text that shows the service and nothing else
    bare = not (facts.pci or facts.nvidia or facts.runtime)
    error = error or (service if failed or bare else "")
    switches = facts.pci.nvswitches
    if not error and not (waiting and (failed or switches)):
        return None
    state = f"the service says '{error}'" if error == service else f"CUDA says '{error}'"
    if waiting:
        indexes = api.listed(str(card.index) for card in waiting)
        state = f"fabric state of GPU {indexes}: {waiting[0].fabric_state}"
    debian = not facts.host or facts.host.distro in ("ubuntu", "debian")
    case = "inside" if facts.container else "debian" if debian else "other"
    count = f"{switches} NVSwitch{'es' if switches > 1 else ''}" if switches else ""
    branch = (api.parts(facts.nvidia_driver.version) or (OWN_BRANCH,))[0]
    listed = ":seen" if facts.nvidia else ""
    return facts.worded(f":{case}", listed, said=error, switches=count, state=state, branch=branch)


@api.check("no-gpu")
def no_gpu(
    facts: api.Facts,
    nvidia: api.NvidiaGpus | None,
    amd: api.AmdGpus | None,
    intel: api.IntelGpu | None,
    apple: api.AppleGpu | None,
    pci: api.PciBus | None,
) -> api.Finding | None:
    """Report it only if every vendor is known to be absent."""
    radeon = any(not gpu.integrated or gpu.gfx == "gfx1151" for gpu in (amd.gpus if amd else ()))
    cards = (nvidia and nvidia.gpus) or (pci and pci.of("10de")) or facts.nvidia_driver
    mac = (facts.host.os, facts.host.machine) == ("macos", "arm64")
    if cards or radeon or (intel and intel.discrete) or apple or mac:
        return None
    where = "on the PCI bus" if pci and pci.devices else "in this machine"
    return facts.worded(evidence=("/sys/bus/pci/devices" if pci else "",), where=where)


NODE = "/dev/nvidia-uvm"
SETTLE = "nvidia-smi; ls -l /dev/nvidia-uvm; sudo dmesg | grep -E 'NVRM|Xid|uvm' | tail"


@api.check("uvm-module-broken")
def uvm_module_broken(facts: api.Facts) -> api.Finding | None:
    """Decide by a missing device node that nothing creates on demand, and by CUDA's messages."""
    state, reload = facts.nvidia_module, facts.expression("/reloads")
    reloads = any(reload.search(command) for command in facts.typed.commands)
    if (facts.runtime.gpu_works and not reloads) or facts.host.wsl or facts.nvidia_answer.says(18):
        return None
    own_error = facts.heard("/own")
    error = own_error or facts.heard()
    nodes = state.missing_nodes if state.loaded else ()
    lacks = NODE in nodes and "/dev/nvidiactl" not in nodes
    # outside of a container the first CUDA program loads the module, by nvidia-modprobe
    proven = facts.container or facts.runtime.gpu_available is False
    if not error and not (lacks and proven):
        return None
    says = f"the message '{own_error}'" if own_error else f"CUDA says '{error}'"
    case = "node" if lacks and facts.container else "probe" if lacks else "module"
    loaded = {True: "loaded", False: "not loaded", None: ""}[state.uvm_loaded]
    settle = "" if state or facts.nvidia_answer or own_error else SETTLE
    report = ":seen" if state else ""
    what = f"{NODE} is missing" if lacks else says
    return facts.worded(f":{case}", report, said=error, settle=settle, what=what, loaded=loaded)


@api.check("xpu-driver")
def xpu_driver(facts: api.Facts) -> api.Finding | None:
    """Only for an XPU build, unless an error shows it."""
    error = facts.heard("/oneapi", "/sycl-name", "")
    build, denied = facts.torch.accelerator, facts.intel.render_denied
    if facts.runtime.gpu_works or build not in ("xpu", "unknown"):
        return None
    lacks = facts.intel.level_zero is False
    if not error and not (build == "xpu" and (lacks or denied)):
        return None
    windows = facts.host.os == "windows"
    words: dict[str, Any] = {
        "name": facts.torch.named if facts.torch else "an XPU build",
        "card": api.listed(facts.intel.names) if facts.intel else "the Intel GPU",
    }
    if denied:
        return facts.worded("/denied", evidence=denied, **words)
    for part in (*(() if windows else ("oneapi",)), "sycl-name"):
        if own := facts.heard(f"/{part}"):
            return facts.worded(f"/{part}", said=own, **words)
    case = ":windows" if windows else ":lacks" if lacks else ":else"
    return facts.worded(case, ":lacks" if lacks else "", said=error, **words)
