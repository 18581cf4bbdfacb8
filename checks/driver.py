from tunedoctor import api

REBOOT = api.tell("sudo reboot", "reboot")


@api.check("driver-hung", uses=(api.Container, api.Errors, api.NvidiaAnswer))
def driver_hung(facts: api.Facts) -> api.Finding | None:
    """Report NVML or nvidia-smi hanging; otherwise an error text that says so."""
    answer = facts.nvidia_answer
    tools = {"NVML": answer.nvml, "nvidia-smi": answer.smi}
    stuck = [name for name, how in tools.items() if how == "hung" and answer.nvml != "ok"]
    error = facts.error_text()
    waits = "" if error else facts.error_text("/waits")
    if not stuck and not error and not waits:
        return None
    host = "on the host of this container; " if facts.container else ""
    return api.Finding(
        found=f"{' and '.join(stuck)} did not answer within the time limit" if stuck else "",
        cure=REBOOT,
        cure_note=(
            f"{host}needs root; if the driver hangs again, `sudo dmesg | grep -E "
            "'NVRM|Xid'` names the GPU"
        ),
        evidence=tuple(stuck),
        settle=(
            "timeout 60 nvidia-smi; sudo dmesg | grep -E 'NVRM|Xid|blocked for'"
            if waits and not stuck
            else ""
        ),
        said=error or waits,
    )


def _host_note(facts: api.Facts) -> str:
    """Return where the fix has to be run, as the start of its note; "" outside of a container."""
    return "on the host of this container: " if facts.container else ""


@api.check(
    "driver-library-mismatch",
    uses=(api.Container, api.Errors, api.Host, api.NvidiaAnswer, api.NvidiaDriver),
)
def driver_library_mismatch(facts: api.Facts) -> api.Finding | None:
    """Decide by NVML's error 18 or CUDA's 803; by two versions alone unless NVML works."""
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    refused, error = answer.says(18), facts.error_text()
    library = api.parts(driver.library)
    differ = len(library) > 1 and library != api.parts(driver.version)
    if facts.host.wsl or facts.host.os == "windows" or (answer.nvml == "ok" and not error):
        return None
    if not (refused or error or (differ and answer)):
        return None
    by_cuda = facts.search("/cuda", error) is not None
    # CUDA's error alone does not show whose libcuda was loaded: it compares the versions itself
    unsettled = by_cuda and not refused and not differ
    if differ:
        found = (
            f"the kernel module has version {driver.version}, the libraries have version "
            f"{driver.library}"
        )
    elif refused:
        found = "NVML returns error 18, driver/library version mismatch"
    else:
        found = f"the error '{error}'"
    cure = REBOOT
    note = "needs root; the reboot loads the module of the installed libraries"
    if facts.container:
        triplet = "aarch64-linux-gnu" if facts.host.machine == "aarch64" else "x86_64-linux-gnu"
        cure = api.tell(
            f"export LD_LIBRARY_PATH=/usr/local/nvidia/lib64:/usr/lib/{triplet}", "reboot"
        )
        note = (
            "in the container: the host's libcuda is then found before the image's own; if the "
            "versions still differ, reboot the host"
        )
    elif unsettled:
        note += (
            ". If the versions already match, another libcuda was loaded: the container's own, or "
            "cuda-compat in LD_LIBRARY_PATH"
        )
    return api.Finding(
        found=found,
        cure=cure,
        cure_note=note,
        evidence=(
            (driver.source or "/sys/module/nvidia/version", "libcuda.so.1, libnvidia-ml.so.1")
            if driver
            else ()
        ),
        settle=(
            "cat /proc/driver/nvidia/version; ldconfig -p | grep libcuda.so" if unsettled else ""
        ),
        said=error,
    )


FIRST_MAXWELL = "1340"
"""Lowest PCI device id of Maxwell, GM107; those of Kepler and older lie below. Source: pci.ids."""
VIRTUAL = ("vfio-pci", "pci-stub")
LOAD_MODULE = api.tell("sudo modprobe nvidia && sudo modprobe nvidia_uvm")
ON_BUS, MODULE, MODULES = "/sys/bus/pci/devices", "/sys/module/nvidia", "/lib/modules"
DRACUT = ("fedora", "rhel", "almalinux", "rocky", "ol", "centos", "amzn")


@api.check(
    "driver-missing",
    uses=(
        api.AmdGpus,
        api.Container,
        api.Errors,
        api.Host,
        api.NvidiaGpus,
        api.NvidiaAnswer,
        api.NvidiaDriver,
        api.NvidiaModule,
        api.PciBus,
        api.Runtime,
        api.TorchBuild,
    ),
)
def driver_missing(facts: api.Facts) -> api.Finding | None:
    """Read the state from the kernel's files, or from an error text if those are unknown."""
    if facts.torch.accelerator in ("rocm", "xpu", "mps"):
        return None
    cards, state = facts.pci.of("10de"), facts.nvidia_module
    # without an environment, the vendor with more cards counts: the other one drives a screen
    others = [] if facts.torch else [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    if facts.pci and (not any(map(_runs_current_torch, cards)) or len(cards) <= len(others)):
        return None
    # a report that names no card: does it say why the module is not loaded?
    tells = state.loaded or state.nouveau or state.secure_boot or state.on_disk is False
    if not state or not (facts.pci or tells):
        return _find_error(facts)
    return (
        None
        if state.loaded or (not facts.pci and _driver_listed_gpus(facts))
        else _report_unloaded_module(facts, cards)
    )


def _driver_listed_gpus(facts: api.Facts) -> bool:
    """Return whether a driver listed the GPUs in a report; a name alone is only the user's word."""
    measured = any(c.memory_total or c.uuid for c in facts.nvidia.gpus)
    return bool(facts.nvidia and (facts.runtime.gpu_available or facts.nvidia_driver or measured))


def _runs_current_torch(card: api.PciDevice) -> bool:
    """Return whether current torch runs on a card: not on Kepler and older, which the table omits."""
    model = api.nvidia_by_pci(card.device)
    if model is None and card.device and card.device < FIRST_MAXWELL:
        return False
    if not card.device and api.expression("driver-missing/old-chip").match(card.name):
        return False
    capability = model.compute_capability if model else ""
    return not capability or api.parts(capability) >= (5,)


def _report_unloaded_module(facts: api.Facts, cards: tuple[api.PciDevice, ...]) -> api.Finding:
    """Report why the module is not loaded, from the state of the kernel and the card's driver."""
    state, answer = facts.nvidia_module, facts.nvidia_answer
    models = [api.nvidia_by_pci(card.device) for card in cards]
    # the driver's own libraries or tools are installed, though they fail
    libraries = answer.says(9) or answer.nvml in ("error", "hung", "crashed")
    names = api.listed(map(_card_name, cards)) or "an NVIDIA GPU"
    kernel = f"kernel {facts.host.kernel}" if facts.host.kernel else "the running kernel"
    if cards and all(card.driver in VIRTUAL for card in cards):
        slots = api.listed(card.slot for card in cards)
        return api.Finding(
            title="The NVIDIA GPU is reserved for virtual machines",
            found=f"{names}: bound to {cards[0].driver} at {slots}",
            cure=api.advise(
                "Remove the GPU from vfio-pci.ids on the kernel command line, then reboot", "reboot"
            ),
            cure_note="needs root; only if no virtual machine needs the GPU",
            evidence=(ON_BUS, MODULE, "/proc/cmdline"),
        )
    if state.on_disk is False and libraries:
        advice = api.rebuild_module(facts.host)
        return api.Finding(
            title="The NVIDIA driver has no module for this kernel",
            found=(
                f"{names}; the driver's libraries are installed, but /lib/modules has no nvidia "
                f"module for {kernel}"
            ),
            cure=advice.cure,
            cure_note=f"{_host_note(facts)}{advice.note}",
            evidence=(ON_BUS, MODULE, MODULES),
        )
    if state.on_disk is False or (state.on_disk is None and not libraries):
        old = bool(models) and all(model and model.last_branch for model in models)
        install = api.install_driver(facts.host, old_card=old, container=facts.container)
        lacks = f"for {kernel}" if state.on_disk is False else "is loaded"
        by_nouveau = "; nouveau drives the card" if state.nouveau else ""
        return api.Finding(
            title="The NVIDIA driver is not installed",
            found=f"{names}; no nvidia module {lacks}{by_nouveau}",
            cure=install.cure,
            cure_note=install.note,
            evidence=(ON_BUS, MODULE, MODULES),
        )
    condition = "is installed but not loaded" if state.on_disk else "is not loaded"
    module = f"the nvidia module for {kernel} {condition}"
    if state.nouveau:
        return _report_nouveau(facts, f"{names}: driven by nouveau; {module}")
    if state.secure_boot:
        return _report_unsigned_module(facts, f"{names}; {module}; Secure Boot is on")
    return api.Finding(
        found=f"{names}; {module}",
        cure=LOAD_MODULE,
        cure_note=(
            f"{_host_note(facts)}needs root; if it fails, `sudo dmesg | tail -50` shows the reason"
        ),
        evidence=(ON_BUS, MODULE, MODULES),
    )


def _report_nouveau(facts: api.Facts, found: str) -> api.Finding:
    """Report that the free driver has the card; it must not be loaded at the start."""
    rebuild = "dracut --force" if facts.host.distro in DRACUT else "update-initramfs -u"
    return api.Finding(
        title="nouveau drives the GPU, so the NVIDIA driver is not loaded",
        found=found,
        cure=api.tell(
            "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | "
            "sudo tee /etc/modprobe.d/blacklist-nouveau.conf && "
            f"sudo {rebuild} && sudo reboot",
            "reboot",
        ),
        cure_note=f"{_host_note(facts)}needs root; reboots the machine",
        evidence=(ON_BUS, MODULE, "/sys/module/nouveau"),
    )


def _report_unsigned_module(facts: api.Facts, found: str) -> api.Finding:
    """Report a module that Secure Boot refuses: its key must be enrolled, or the distribution's own used."""
    note = f"{_host_note(facts)}needs root; reboots the machine"
    enrol = ". On the blue screen choose Enroll MOK, with the machine's own keyboard"
    if facts.host.distro == "ubuntu":
        command = "sudo apt-get install -y linux-modules-nvidia-580-open-generic"
        note += "; Canonical has signed this module"
    elif facts.host.distro in ("fedora", "nobara"):
        command = "sudo mokutil --import /etc/pki/akmods/certs/public_key.der"
        note += enrol
    else:
        command = "sudo mokutil --import /var/lib/dkms/mok.pub"
        note += enrol
    return api.Finding(
        title="The NVIDIA module is not loaded, and Secure Boot is on",
        found=found,
        means=(
            "the kernel refuses a module that is not signed with a known key; "
            "torch.cuda.is_available() is False and nvidia-smi fails, so training runs on the CPU"
        ),
        cure=api.tell(f"{command} && sudo reboot", "reboot"),
        cure_note=note,
        evidence=("/sys/firmware/efi/efivars/SecureBoot-*", MODULES),
    )


def _find_error(facts: api.Facts) -> api.Finding | None:
    answer = facts.nvidia_answer
    error = answer.smi_text or answer.nvml_text or "NVML error 9, driver not loaded"
    if not answer.says(9):
        error = facts.error_text("/logged", "")
    unseen = "" if error else facts.error_text("/engine")
    error = error or unseen
    if not error or _driver_listed_gpus(facts) or facts.host.wsl:
        return None
    first = error.splitlines()[0].rstrip(" .")
    return api.Finding(
        found=f"the error '{first}'",
        cure=LOAD_MODULE,
        cure_note=(
            f"{_host_note(facts)}needs root; if it finds no module, install the driver, or build the "
            "module for this kernel"
        ),
        settle="nvidia-smi; docker context ls" if unseen else "",
        said=error,
    )


def _card_name(card: api.PciDevice) -> str:
    model = api.nvidia_by_pci(card.device)
    if model and model.name:
        return model.name
    return f"NVIDIA GPU 10de:{card.device}" if card.device else f"NVIDIA {card.name}".rstrip()


BEFORE_11 = {"10.2": "440.33", "10.1": "418.39", "10.0": "410.48", "9.2": "396.26"}
"""Floors on Linux of releases before minor versions were compatible. Source: CUDA release notes, table of drivers."""


@api.check(
    "driver-too-old",
    uses=(
        api.Container,
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Runtime,
        api.TorchBuild,
    ),
)
def driver_too_old(facts: api.Facts) -> api.Finding | None:
    """Compare the driver with the minimum for the build's CUDA major; torch's own message comes first."""
    if facts.runtime.gpu_works:
        return None
    torch, driver, windows = facts.torch, facts.nvidia_driver, facts.host.windows_driver
    error = facts.error_text()
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
    if low and driver:
        found = (
            f"{torch.described} is built for CUDA {torch.cuda}, which needs driver {floor} or newer; "
            f"the driver is {driver.version}"
        )
    else:
        subjects = [torch.described] if torch else []
        subjects += [f"driver {driver.version}"] if driver else []
        found = ", ".join((*subjects, "and ")) if subjects else ""
        found += f"the error '{error}'"
        found += f"; that driver supports CUDA {offered} at most" if offered else ""
    return api.Finding(
        found=found,
        cure=fit.cure if fit else install.cure,
        cure_note=(
            f"{fit.note}; or a newer driver: {install.cure.command}" if fit else install.note
        ),
        evidence=(torch.file, driver.source),
        said=error,
    )


def _cuda_of(error: str) -> str:
    """Return "12.8" of "found version 12080": that number is a CUDA release, not a driver."""
    if number := api.expression("driver-too-old/number").search(error):
        return f"{int(number[1]) // 1000}.{int(number[1]) % 1000 // 10}"
    offered = api.expression("driver-too-old/offered").search(error)
    return offered[1] if offered else ""


@api.check(
    "cuda-compat-unsupported-gpu",
    uses=(
        api.Environment,
        api.Errors,
        api.LibraryPath,
        api.NvidiaGpus,
        api.NvidiaAnswer,
        api.NvidiaDriver,
        api.Runtime,
    ),
)
def cuda_compat_unsupported_gpu(facts: api.Facts) -> api.Finding | None:
    """Decide by error 804, or by a libcuda from a compat folder newer than the module on a GeForce card."""
    if facts.runtime.gpu_works:
        return None
    error, file = facts.error_text(), _compat_file(facts)
    geforce = [card.name for card in facts.nvidia.gpus if "GeForce" in card.name]
    # the driver's own libcuda, newer than the module that is still loaded, ends in 804 too
    if not file and (not error or facts.nvidia_answer.says(18)):
        return None
    if not error and not geforce:
        return None
    folders = (facts.environment.get("LD_LIBRARY_PATH") or "").split(":")
    remaining = ":".join(folder for folder in folders if folder and "/compat" not in folder)
    cure = api.set_variable(None, "LD_LIBRARY_PATH", remaining or None)
    found = f"the error '{error}'" if error else geforce[0]
    driver = facts.nvidia_driver.version
    found += f" with driver {driver}" if driver else ""
    found += f"; {file} is found first" if file else ""
    return api.Finding(
        found=found,
        cure=cure,
        cure_note=(
            "CUDA then loads the host's own libcuda; if the image lists the folder in ld.so.conf, "
            "run `rm -f /etc/ld.so.conf.d/*compat* && ldconfig` as root in the container instead"
        ),
        evidence=(file,),
        said=error,
    )


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


@api.check(
    "fabric-manager-missing",
    uses=(
        api.Container,
        api.Errors,
        api.Host,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.PciBus,
        api.Runtime,
    ),
)
def fabric_manager_missing(facts: api.Facts) -> api.Finding | None:
    """Decide by the fabric state or error 802; NVSwitches alone prove nothing."""
    if facts.runtime.gpu_works:
        return None
    waiting = [card for card in facts.nvidia.gpus if card.fabric_state in WAITING]
    error = facts.error_text()
    service = facts.error_text("/service")
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
    count = f"{switches} NVSwitch{'es' if switches > 1 else ''}; " if switches else ""
    version = facts.nvidia_driver.version
    note = "needs root; its version has to match the driver's exactly"
    note += f": {version}" if version else ""
    start = "sudo systemctl enable --now nvidia-fabricmanager"
    if facts.container:
        cure = api.tell("sudo systemctl restart nvidia-fabricmanager")
        note = "on the host, not in this container; if you rent the container, use another node"
    elif not facts.host or facts.host.distro in ("ubuntu", "debian"):
        branch = (api.parts(version) or (OWN_BRANCH,))[0]
        cure = api.tell(f"sudo apt-get install -y nvidia-fabricmanager-{branch} && {start}")
    else:
        cure = api.tell(f"sudo dnf install -y nvidia-fabricmanager && {start}")
    return api.Finding(
        found=f"{count}{state}",
        cure=cure,
        cure_note=note,
        evidence=(ON_BUS, "nvidia-smi -q, section Fabric") if facts.nvidia else (),
        said=error,
    )


@api.check("no-gpu", uses=(api.Host, api.NvidiaDriver))
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
    return api.Finding(
        found=f"no NVIDIA, AMD, discrete Intel or Apple GPU {where}",
        cure=api.advise("Train 7B models on a machine with a GPU of 16 GiB or more"),
        cure_note="all other checks apply to training on the CPU too",
        evidence=(ON_BUS if pci else "",),
    )


NODE = "/dev/nvidia-uvm"
SETTLE = "nvidia-smi; ls -l /dev/nvidia-uvm; sudo dmesg | grep -E 'NVRM|Xid|uvm' | tail"


@api.check(
    "uvm-module-broken",
    uses=(
        api.Container,
        api.Errors,
        api.Host,
        api.NvidiaAnswer,
        api.NvidiaModule,
        api.Runtime,
        api.Typed,
    ),
)
def uvm_module_broken(facts: api.Facts) -> api.Finding | None:
    """Decide by a missing device node that nothing creates on demand, and by CUDA's messages."""
    state, reload = facts.nvidia_module, facts.expression("/reloads")
    reloads = any(reload.search(command) for command in facts.typed.commands)
    if (facts.runtime.gpu_works and not reloads) or facts.host.wsl or facts.nvidia_answer.says(18):
        return None
    own_error = facts.error_text("/own")
    error = own_error or facts.error_text()
    nodes = state.missing_nodes if state.loaded else ()
    lacks = NODE in nodes and "/dev/nvidiactl" not in nodes
    # outside of a container the first CUDA program loads the module, by nvidia-modprobe
    proven = facts.container or facts.runtime.gpu_available is False
    if not error and not (lacks and proven):
        return None
    note = "needs root; first stop all programs that use the GPU; no reboot"
    if lacks and facts.container:
        cure = api.tell(f"docker run --gpus all --device={NODE} --device={NODE}-tools IMAGE")
        note = "start a new container this way; nvidia_uvm has to be loaded on the host"
    elif lacks:
        cure = api.tell("sudo nvidia-modprobe -u -c=0")
    else:
        cure = api.tell("sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm")
    says = f"the message '{own_error}'" if own_error else f"CUDA says '{error}'"
    found = f"{NODE} is missing" if lacks else says
    if state.uvm_loaded is not None:
        found += f"; the module nvidia_uvm is {'loaded' if state.uvm_loaded else 'not loaded'}"
    return api.Finding(
        found=found,
        cure=cure,
        cure_note=note,
        evidence=(NODE, "/sys/module/nvidia_uvm") if state else (),
        settle="" if state or facts.nvidia_answer or own_error else SETTLE,
        said=error,
    )


@api.check("xpu-driver", uses=(api.Errors, api.Host, api.IntelGpu, api.Runtime, api.TorchBuild))
def xpu_driver(facts: api.Facts) -> api.Finding | None:
    """Only for an XPU build, unless an error shows it."""
    error = facts.error_text("/oneapi", "/sycl-name", "")
    build, denied = facts.torch.accelerator, facts.intel.render_denied
    if facts.runtime.gpu_works or build not in ("xpu", "unknown"):
        return None
    lacks = facts.intel.level_zero is False
    if not error and not (build == "xpu" and (lacks or denied)):
        return None
    windows = facts.host.os == "windows"
    torch = facts.torch.described if facts.torch else "an XPU build"
    card = api.listed(facts.intel.names) if facts.intel else "the Intel GPU"
    if denied:
        return api.Finding(
            title="This user cannot open the Intel GPU",
            found=f"{torch}, {card}; {api.listed(denied)}: permission denied",
            cure=api.tell("sudo usermod -a -G render $LOGNAME"),
            cure_note="needs root; log out and in again afterwards",
            evidence=denied,
        )
    if not windows and (own := facts.error_text("/oneapi")):
        return _report_missing_oneapi(torch, own)
    if own := facts.error_text("/sycl-name"):
        return _report_other_oneapi(torch, own)
    if windows:
        cure = api.advise("Install Intel's current graphics driver", "root")
        note = "needs an administrator; then restart Windows"
    else:
        cure = api.tell("sudo apt-get install -y libze1 libze-intel-gpu1 intel-opencl-icd")
        note = (
            "needs root; package names of Ubuntu 24.10 and newer. On a machine with several kinds "
            "of devices: export ONEAPI_DEVICE_SELECTOR=level_zero:gpu"
        )
    what = "the Level Zero loader is not installed" if lacks else f"the error '{error}'"
    return api.Finding(
        found=f"{torch}, {card}; {what}",
        cure=cure,
        cure_note=note,
        evidence=("libze_loader.so.1",) if lacks else (),
        settle=(
            ""
            if windows or lacks
            else "clinfo -l; ls -l /dev/dri; dpkg -l | grep -E 'libze|intel-opencl'"
        ),
        said=error,
    )


SET_VARIABLES = api.tell("source /opt/intel/oneapi/setvars.sh")


def _report_missing_oneapi(torch: str, error: str) -> api.Finding:
    return api.Finding(
        title="The libraries of Intel's oneAPI are missing",
        found=f"{torch}; the error '{error}'",
        means=(
            "importing Intel's extension fails; builds before the +xpu wheels contain neither MKL "
            "nor SYCL"
        ),
        cure=SET_VARIABLES,
        cure_note=(
            "in the shell that starts training. If that file does not exist, install the oneAPI "
            "release that the build names, or torch 2.5 or newer from "
            "https://download.pytorch.org/whl/xpu, which needs no oneAPI"
        ),
        said=error,
    )


def _report_other_oneapi(torch: str, error: str) -> api.Finding:
    return api.Finding(
        title="The SYCL runtime comes from another oneAPI release",
        found=(
            f"{torch}; the error '{error}': the libsycl that is loaded does not have this name of "
            "the SYCL runtime"
        ),
        means="importing Intel's extension, or torch itself, fails",
        cure=SET_VARIABLES,
        cure_note=(
            "from the oneAPI release that the build names; or install torch 2.5 or newer from "
            "https://download.pytorch.org/whl/xpu, which contains its own, and do not run setvars.sh"
        ),
        said=error,
    )
