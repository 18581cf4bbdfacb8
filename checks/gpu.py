import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor import api


@api.check("gpu-does-not-compute")
def gpu_does_not_compute(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Use the first stage `matmul DEVICE DTYPE` that failed."""
    unfinished = [
        stage for stage in runtime.stages if stage.outcome in ("failed", "crashed", "hung")
    ]
    mine = (
        stage
        for stage in unfinished
        if stage.name.startswith("matmul ") and " cpu" not in stage.name
    )
    build = facts.expression("/of-the-build")
    failed = [stage for stage in mine if not build.search(f"{stage.error_type} {stage.error}")]
    if not failed or all(stage.name.endswith("bfloat16") for stage in failed):
        return None
    first = failed[0]
    _, device, dtype = (*first.name.split(" "), "", "")[:3]
    text = (first.error.strip().splitlines() or [first.outcome])[-1][:200]
    found = f"{device} in {dtype}: {text}"
    wrong = "is off by" in text
    return api.Finding(
        title="The GPU computes wrong results" if wrong else "",
        found=found,
        means=(
            "the losses of a training run are wrong"
            if wrong
            else "training fails at its first step with that error"
        ),
        cure=api.tell("sudo dmesg | grep -E 'NVRM|Xid|amdgpu' | tail -20"),
        cure_note="needs root; shows whether the driver reports a fault of the GPU",
        evidence=(f"doctor check --deep, stage '{first.name}'",),
    )


REBOOT = api.tell("sudo reboot", "reboot")
TAKEN_BACK = re.compile(r"to 0x0\b|\(None\)\s*$")


@api.check(
    "gpu-faulty", uses=(api.AmdGpus, api.Errors, api.KernelLog, api.NvidiaGpus, api.NvidiaAnswer)
)
def gpu_faulty(facts: api.Facts) -> api.Finding | None:
    """Report the worst first: lost, beyond repair, needs a reset now, then earlier faults in the log."""
    lost = facts.nvidia_answer.says(15)
    newest = next((x for x in reversed(facts.kernel_log.xids) if x.number == 79), None)
    if lost or facts.kernel_log.fell_off_bus or newest:
        return _report_lost_gpu(facts, newest.slot if newest else "", reported=lost)
    states = sorted(_states(facts), key=lambda state: SEVERE.index(state.kind.partition(":")[0]))
    if states:
        return _report_state(states[0], states[1:4])
    for card in (gpu for gpu in facts.amd.gpus if gpu.ras_uncorrected):
        return _report_amd_errors(card)
    return _find_logged_fault(facts) or _find_fault_in_errors(facts)


def _find_fault_in_errors(facts: api.Facts) -> api.Finding | None:
    if error := facts.error_text("/ras"):
        return api.Finding(
            title="An AMD GPU had a hardware error it could not correct",
            found=f"the kernel log says '{error}'",
            means=(
                "programs on that GPU, and on GPUs linked to it, fail with a hardware exception or "
                "hang"
            ),
            cure_note=(
                "needs root; if it happens again, switch the machine off completely and on again. "
                "If it still happens, have the GPU examined"
            ),
            evidence=("kernel log",),
            said=error,
        )
    if error := facts.error_text():
        return api.Finding(cure=REBOOT, cure_note="needs root", said=error)
    return None


def _report_lost_gpu(facts: api.Facts, slot: str, *, reported: bool) -> api.Finding:
    """Report a GPU that fell off the bus; `reported`: the driver itself says so."""
    by = "the driver reports 'GPU is lost' (15)" if reported else "the kernel log says so"
    at = f" at {slot}" if slot else ""
    return api.Finding(
        title="A GPU is gone from the PCI bus",
        found=f"a GPU{at} no longer answers on the PCI bus: {by}",
        cure=api.tell("sudo poweroff"),
        cure_note=(
            "needs root; switch the machine off completely and on again. If it happens again: "
            "check power cable, riser, seating and heat"
        ),
        evidence=("kernel log" if facts.kernel_log else "",),
        said="GPU is lost" if reported else "",
    )


def _report_amd_errors(card: api.AmdGpu) -> api.Finding:
    blocks = f", in {api.listed(card.ras_blocks)}" if card.ras_blocks else ""
    return api.Finding(
        title="A GPU has had errors that it could not correct",
        severity="warning",
        found=(
            f"GPU {card.index} ({card.name or 'AMD'}): {card.ras_uncorrected} uncorrectable errors "
            f"since the driver was loaded{blocks}"
        ),
        means="a run that uses the affected memory or link fails with a hardware exception",
        cure=api.tell(f"sudo amd-smi reset --gpureset -g {card.index}", "root"),
        cure_note=("needs root; first stop every program on this GPU; if the reset fails, reboot"),
        evidence=("sysfs, device/ras/*_err_count",),
    )


SEVERE = ("beyond-repair", "asks", "asks-later", "memory-errors")


class _State(NamedTuple):
    """A fault that the driver reports of one card."""

    kind: str
    """One of SEVERE, and behind ":" what the driver asks for."""
    card: api.NvidiaGpu
    problem: str

    def __str__(self) -> str:
        return f"GPU {self.card.index} ({self.card.name}): {self.problem}"


def _states(facts: api.Facts) -> Iterator[_State]:
    """Yield the driver's current state of each card: a description and what it needs."""
    recovery: dict[str, str] = api.table("xids")["recovery"]
    for card in facts.nvidia.gpus:
        action = card.recovery_action.upper().replace(" ", "_")
        action_text = f"recovery action {action}" if action not in ("", "NONE", "N/A") else ""
        kind = recovery.get(action, "asks:reboot" if "REBOOT" in action else "asks:reset")
        if card.remap_failed:
            problem = "; ".join(
                filter(None, ("remapping of faulty memory rows failed", action_text))
            )
            yield _State("beyond-repair", card, problem)
            continue
        if action_text:
            yield _State(kind, card, action_text)
        errors, pending = card.ecc_uncorrected, card.remap_pending
        count = f"{errors} uncorrectable memory errors since boot" if errors else ""
        row = "the GPU needs a reset to map out a faulty memory row" if pending else ""
        page = "the GPU needs a reset to retire a faulty memory page" if card.pages_pending else ""
        if problem := "; ".join(filter(None, (count, row, page))):
            yield _State("memory-errors", card, problem)


FIRST_STOP = "first stop every program on this GPU; if the reset fails, reboot"
RECOVERY = ("NVML, GPU recovery action",)


def _report_state(  # noqa: PLR0911  one for each request of the driver
    worst: _State, others: list[_State]
) -> api.Finding:
    card = worst.card
    found = str(worst) + (f"; also {api.listed(map(str, others))}" if others else "")
    reset = api.tell(f"sudo nvidia-smi --gpu-reset -i {card.index}")
    match worst.kind:
        case "beyond-repair":
            return api.Finding(
                title="The memory of a GPU can no longer be repaired",
                found=found,
                cure=api.advise(
                    f"Take GPU {card.index} out of service and have it replaced", "root"
                ),
                cure_note=(
                    "until then, exclude it from CUDA_VISIBLE_DEVICES; its UUID is "
                    f"{card.uuid or 'not known'}"
                ),
                evidence=("NVML, remapped rows",),
            )
        case "asks:reboot":
            return api.Finding(
                title="The NVIDIA driver asks for a reboot",
                found=found,
                cure=REBOOT,
                cure_note="needs root; start no new jobs on this machine until then",
                evidence=RECOVERY,
            )
        case "asks:drain-and-reset":
            return api.Finding(
                title="The NVIDIA driver asks to drain and reset a GPU",
                found=found,
                cure=reset,
                cure_note=(
                    "needs root; start no new jobs on this machine and let running jobs finish, "
                    "then reset; if the reset fails, reboot"
                ),
                evidence=RECOVERY,
            )
        case "asks-later:drain-p2p":
            return api.Finding(
                title="The NVIDIA driver asks to drain jobs that use NVLink",
                severity="warning",
                found=found,
                means=(
                    "jobs that use several GPUs fail on the faulty links; jobs on one GPU keep "
                    "running"
                ),
                cure=api.tell("sudo nvidia-smi --gpu-reset"),
                cure_note=(
                    "needs root; start no new multi-GPU jobs on this machine and let running ones "
                    "finish, then reset all GPUs"
                ),
                evidence=RECOVERY,
            )
        case "asks-later:imex":
            return api.Finding(
                title="The NVIDIA driver asks to recover the IMEX domain",
                severity="warning",
                found=found,
                means=(
                    "the machines of this NVLink domain can't share GPU memory; training on this "
                    "machine alone keeps running"
                ),
                cure=api.tell("sudo systemctl restart nvidia-imex"),
                cure_note="needs root; on every machine of the domain",
                evidence=RECOVERY,
            )
        case "memory-errors":
            return api.Finding(
                title="A GPU has memory errors",
                severity="warning",
                found=found,
                means=(
                    "a run that uses that memory ends with 'uncorrectable ECC error encountered'"
                ),
                cure=reset,
                cure_note=f"needs root; {FIRST_STOP}",
                evidence=("NVML, ECC and remapped rows",),
            )
        case _:
            return api.Finding(
                title="The NVIDIA driver asks for a GPU reset",
                found=found,
                cure=reset,
                cure_note=f"needs root; {FIRST_STOP}",
                evidence=RECOVERY,
            )


def _find_logged_fault(facts: api.Facts) -> api.Finding | None:
    """Return the faults in the log of this boot, unless a later Xid 154 cleared them."""
    cleared: set[str] = set()
    for xid in reversed(facts.kernel_log.xids):
        if xid.number == 154 and TAKEN_BACK.search(xid.text):
            cleared.add(xid.slot)
        meaning = api.xid_meaning(xid.number, xid.text)
        if meaning is not None and xid.slot not in cleared:
            asks, name = meaning.asks, meaning.name
            answers = any(card.slot == xid.slot for card in facts.nvidia.gpus)
            past = asks == "idle" or (answers and asks in ("reset", "reboot"))
            at = f" at {xid.slot}" if xid.slot else ""
            found = f"Xid {xid.number}{at} in the kernel log: {name}"
            return _report_logged_fault(asks, found, past=past)
    return None


def _report_logged_fault(asks: str, found: str, *, past: bool) -> api.Finding:
    """Report a fault of the log; `asks`: what it needs; `past`: the GPU may already have recovered."""
    title, cure = "A GPU has failed since this boot", REBOOT
    if asks == "idle":
        title = "A GPU has memory errors"
        cure = api.tell("sudo nvidia-smi --gpu-reset -i N")
        note = (
            "needs root; N is the index of that GPU; first stop every program on it. Until then, "
            "just restart the run"
        )
    elif asks == "power":
        cure = api.advise("Connect the power cable of that GPU")
        note = "switch the machine off first"
    elif asks == "replace":
        cure = api.advise("Take that GPU out of service and have it replaced")
        note = "its memory can no longer be repaired"
    else:
        note = "needs root; or, if the GPU is idle, reset it: sudo nvidia-smi --gpu-reset -i N"
    return api.Finding(
        title=title,
        severity="warning" if past else "error",
        found=found,
        cure=cure,
        cure_note=note,
        evidence=("kernel log",),
    )


OLD = ("gfx103", "gfx101", "gfx900", "gfx906")


@api.check(
    "gpu-lacks-bf16",
    uses=(api.AmdGpus, api.Environment, api.Errors, api.NvidiaGpus, api.TorchBuild),
)
def gpu_lacks_bf16(facts: api.Facts) -> api.Finding | None:
    """Judge the best GPU of the build's vendor; an error text makes it an error."""
    error = facts.error_text()
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    cards_with_capability = [card for card in cards if card.compute_capability]
    descriptions = [
        f"{c.name} (compute capability {c.compute_capability})" for c in cards_with_capability
    ]
    old = all(api.parts(card.compute_capability) < (8, 0) for card in cards_with_capability)
    if facts.torch.accelerator == "rocm":
        discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
        descriptions = [f"{gpu.name or 'GPU'} ({gpu.gfx})" for gpu in discrete]
        old = all(gpu.gfx.startswith(OLD) for gpu in discrete)
    names = api.listed(dict.fromkeys(descriptions)) if old else ""
    error = error or (facts.error_text("/on-old") if names else "")
    if not names and not error:
        return None
    # a Trainer also says this if it sees no GPU; it names Ampere only if it sees one
    setup = facts.error_text("/anywhere")
    blind = setup and not names and not facts.error_text("/ampere")
    return api.Finding(
        severity="error" if error else None,
        found=names,
        cure=api.advise("Set fp16=True and bf16=False in the training arguments"),
        cure_note=(
            "torch.cuda.is_bf16_supported() is True for emulated bf16 too; with "
            "including_emulation=False it is not"
        ),
        settle=(
            'python -c "import torch; print(torch.cuda.is_available(), '
            'torch.cuda.get_device_capability())"'
            if blind
            else ""
        ),
        said=error,
    )


SHARE = 0.3
"""Share of the memory that must be in use before it is reported."""


@api.check("gpu-memory-taken", uses=(api.Environment,))
def gpu_memory_taken(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Report the GPU with the least free memory."""
    full = [
        (1 - card.memory_free / card.memory_total, card)
        for card in api.visible_gpus(gpus.gpus, facts.environment)
        if card.memory_total and card.memory_free is not None and not card.unified_memory
    ]
    share, card = max(full, key=lambda pair: pair[0], default=(0, None))
    if card is None or share <= SHARE:
        return None
    biggest = sorted(card.processes, key=lambda process: process.memory or 0, reverse=True)
    python = bool(biggest) and "python" in biggest[0].name.lower() and biggest[0].pid > 1
    sizes = [f", {api.gib(process.memory)}" if process.memory else "" for process in biggest]
    holders = [
        f"{process.name or 'process'} ({process.pid}{size})"
        for process, size in zip(biggest[:4], sizes, strict=False)
    ]
    used_by = f"; used by {api.listed(holders)}" if holders else ""
    if python:
        cure = api.tell(f"kill {biggest[0].pid}")
        note = "stops that program: save its work first"
    else:
        cure = api.tell("nvidia-smi")
        note = "lists the programs on each GPU; to free a desktop's memory, log out of it"
    return api.Finding(
        found=(
            f"GPU {card.index} ({card.name}): {api.gib(card.memory_free or 0)} of "
            f"{api.gib(card.memory_total or 0)} free{used_by}"
        ),
        cure=cure,
        cure_note=note,
        evidence=("NVML",),
    )


KERNEL_LOG = api.tell("sudo dmesg | grep -i -E 'NVRM|nvidia' | tail -30")
GPUS_IN_PROC, ON_BUS = "/proc/driver/nvidia/gpus", "/sys/bus/pci/devices"


@api.check(
    "gpu-not-started",
    uses=(
        api.Container,
        api.Errors,
        api.Host,
        api.NvidiaGpus,
        api.NvidiaAnswer,
        api.NvidiaDriver,
        api.NvidiaModule,
        api.PciBus,
    ),
)
def gpu_not_started(facts: api.Facts) -> api.Finding | None:
    """Decide by an empty GPU list with cards on the bus; otherwise by a driver message."""
    cards = [card for card in facts.pci.of("10de") if card.driver in ("nvidia", "")]
    empty = facts.nvidia_module.loaded and facts.nvidia_module.gpus_in_proc == 0 and cards
    reason = facts.error_text("/said-why")
    error = reason or facts.error_text()
    if facts.nvidia.gpus:
        return None
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    # nvidia-smi reached the driver but got no GPU; in WSL that has other reasons
    none = answer.smi_code == 6 and "No devices" in answer.smi_text and not facts.host.wsl
    if none and not error and not facts.pci and not facts.container:
        read = next((e.text for e in facts.errors.errors if "No devices" in e.text), "")
        return api.Finding(
            found=(
                "nvidia-smi says 'No devices were found': the driver is loaded but starts no GPU"
            ),
            cure=KERNEL_LOG,
            cure_note=(
                "needs root; prints the reason: often a GPU that needs the open module or another "
                "driver, bad seating, power, or 'Above 4G Decoding' in the BIOS"
            ),
            said=read,
        )
    if not (empty or error):
        return None
    models = [model for card in cards if (model := api.nvidia_by_pci(card.device))]
    names = api.listed(model.name for model in models) or "the NVIDIA GPU"
    old = any(model.last_branch for model in models)
    floor = "570" if any(api.parts(m.compute_capability) >= (10,) for m in models) else ""
    why = f"the error '{error}'" if error else "/proc/driver/nvidia/gpus is empty"
    needs = ""
    if driver and floor and not api.at_least(driver.version, floor):
        needs = f"driver {floor} or newer"
    elif driver.open_module and old:
        needs = "the proprietary module"
    elif driver.open_module is False and any(m.module == "open" for m in models):
        needs = "the open module"
    elif not reason and not floor and not old:
        return _report_not_started(error, driver.version or "not known", names)
    branch = "580" if floor else ""
    install = api.install_driver(facts.host, branch, old_card=old, container=facts.container)
    loaded = f"driver {driver.version}" if driver.version else "the driver"
    if driver.open_module is not None:
        loaded += f", {'open' if driver.open_module else 'proprietary'} module,"
    why, error = (f"{names} needs {needs}", "") if needs else (why, error)
    return api.Finding(
        found=f"{why}; {loaded} is loaded but lists no GPU",
        cure=install.cure,
        cure_note=install.note,
        evidence=("/proc/driver/nvidia/version", GPUS_IN_PROC, ON_BUS),
        said=error,
    )


def _report_not_started(error: str, version: str, names: str) -> api.Finding:
    return api.Finding(
        found=(
            f"the error '{error}': the driver is loaded but starts no GPU"
            if error
            else f"driver {version} is loaded but lists no GPU; on the bus: {names}"
        ),
        cure=KERNEL_LOG,
        cure_note=(
            "needs root; prints the reason. Common ones are seating, power, and 'Above 4G Decoding' "
            "in the BIOS"
        ),
        evidence=() if error else (GPUS_IN_PROC, ON_BUS),
        said=error,
    )


@api.check("gpu-throttled", uses=(api.AmdGpus, api.Errors, api.NvidiaGpus))
def gpu_throttled(facts: api.Facts) -> api.Finding | None:
    """Use the driver's reasons, for AMD the tool's output; otherwise a lowered power limit."""
    slow = [c for c in facts.nvidia.gpus if c.throttle]
    if not slow:
        hot = [c for c in facts.amd.gpus if c.throttle]
        if each := [f"GPU {c.index} ({c.name}): {api.listed(c.throttle)}" for c in hot[:4]]:
            return _report_throttled_amd(api.listed(each), "/sys/bus/pci/devices, gpu_metrics")
        fixed = (c for c in facts.nvidia.gpus if "Laptop" not in c.name)  # there firmware lowers it
        low = [c for c in fixed if 0 < (c.power_limit or 0) < (c.power_default or 0)]
        each = [f"GPU {c.index} ({c.name}): {c.power_limit} of {c.power_default} W" for c in low]
        if error := facts.error_text("/amd"):
            return _report_throttled_amd(
                f"amd-smi says '{error}'", "amd-smi metric --throttle", error
            )
        return _report_lowered_limit(each) if each else None
    words = api.table("outputs")["throttle"]["words"]
    power = {reason for card in slow for reason in card.throttle} <= {"power-brake", "hw-slowdown"}
    found = "; ".join(
        f"GPU {card.index} ({card.name}): {api.listed(words.get(r, r) for r in card.throttle)}"
        for card in slow[:4]
    )
    if power:
        cure = api.advise("Check the power supply, its cables and the server's power cap", "root")
        note = "hardware slowdown without heat is caused by the power supply"
    else:
        cure = api.advise(
            "Clean the fans and filters, and check the airflow and the room temperature", "root"
        )
        limit = f"sudo nvidia-smi -i {slow[0].index} -pl WATTS"
        note = f"until then, a lower power limit helps: {limit}"
    return api.Finding(
        found=found, cure=cure, cure_note=note, evidence=("NVML, clock event reasons",)
    )


def _report_throttled_amd(found: str, evidence: str, error: str = "") -> api.Finding:
    return api.Finding(
        found=found,
        cure=api.advise(
            "Check the power supply, clean the fans and filters, and check the airflow and the "
            "room temperature",
            "root",
        ),
        cure_note=("until then, a lower power limit helps: sudo amd-smi set --power-cap WATTS"),
        evidence=(evidence,),
        said=error,
    )


def _report_lowered_limit(each: list[str]) -> api.Finding:
    return api.Finding(
        title="A GPU's power limit is below the card's default",
        severity="note",
        found=api.listed(each),
        means="under load that GPU runs at lower clocks and slows the others down",
        cure=api.tell("sudo nvidia-smi -pl WATTS", "root"),
        cure_note=(
            "needs root; WATTS is the card's default; slightly less power costs little speed"
        ),
        evidence=("NVML, power limits",),
    )


VISIBLE = "CUDA_VISIBLE_DEVICES"


@api.check("mig-misconfigured", uses=(api.Environment, api.Errors, api.NvidiaGpus, api.Runtime))
def mig_misconfigured(facts: api.Facts) -> api.Finding | None:
    """Report MIG GPUs without instances, or a failed run that did not name one of several."""
    split, source = [card for card in facts.nvidia.gpus if card.mig], facts.nvidia.source
    if not split:
        return _find_mig_error(facts)
    asserted = facts.error_text("/assertion")
    if facts.runtime.gpu_works and not asserted:
        return None
    setting = facts.environment.get(VISIBLE) or ""
    selected = sum(entry.startswith("MIG-") for entry in api.entries(setting))
    instances = sum(card.mig_instances for card in split)
    indexes = [str(card.index) for card in split]
    failed = asserted or facts.runtime.gpu_available is False
    if instances == 0 and len(split) == len(facts.nvidia.gpus) and source != "report":
        # a report rarely lists the instances: without a failure this proves nothing
        if not failed and (source != "nvml" or selected):
            return None
        no_instance = "no instance exists" if source == "nvml" else "no instance is shown"
        shown_by_run = ", as the run shows" if failed else ""
        return api.Finding(
            found=f"MIG is on for GPU {api.listed(indexes)} ({split[0].name}); {no_instance}",
            means=f"torch finds no usable device: 'No CUDA GPUs are available'{shown_by_run}",
            cure=api.tell(f"sudo nvidia-smi -i {','.join(indexes)} -mig 0"),
            cure_note=(
                "needs root; makes the whole GPU usable again. To keep MIG, `sudo nvidia-smi mig "
                "-lgip` lists profiles and `sudo nvidia-smi mig -cgi PROFILE -C` creates an instance"
            ),
            evidence=(source,),
        )
    if not failed or selected == 1 or instances == 1:
        return None
    several = "MIG-" in setting
    value = f"'{setting}'" if setting else "not set"
    return api.Finding(
        title=(
            "MIG is on, and the process selects several instances"
            if several
            else "MIG is on, but the process selects no MIG instance"
        ),
        found=f"{len(split)} GPUs in MIG mode with {instances} instances; {VISIBLE} is {value}",
        means=(
            "a process uses only one MIG instance, and this one found none: 'device >= 0 && device "
            "< num_gpus'"
        ),
        cure=api.tell(facts.set_variable(VISIBLE, "MIG-UUID").command),
        cure_note="`nvidia-smi -L` prints the UUIDs; start one process for each instance",
        evidence=(VISIBLE,),
    )


def _find_mig_error(facts: api.Facts) -> api.Finding | None:
    """Use errors of a library or the driver's tools if no card in MIG mode is listed."""
    if error := facts.error_text("/read-as-number"):
        return api.Finding(
            title="A library reads the name of a MIG instance as a number",
            means="the program fails before it uses the GPU",
            cure=facts.set_variable(VISIBLE, "0"),
            cure_note=(
                "in a container or a job that has one instance; otherwise install a newer release "
                "of the library, which reads MIG names"
            ),
            said=error,
        )
    if error := facts.error_text("/asked"):
        return api.Finding(
            title="The requested MIG setup does not exist",
            severity="warning",
            found=f"the message '{error}'",
            means=(
                "a process that names an instance does not find it: 'No CUDA GPUs are available'"
            ),
            cure=api.tell("nvidia-smi -L; sudo nvidia-smi mig -lgi; sudo nvidia-smi mig -lgip"),
            cure_note=(
                "needs root; lists the instances and the profiles that still fit. End all programs "
                "on the GPU before you change its mode or its instances"
            ),
            said=error,
        )
    return None


CUDA = VISIBLE
AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", CUDA)
HIDES = "hides every GPU"


@api.check(
    "visible-devices-wrong",
    uses=(api.AmdGpus, api.Environment, api.Errors, api.NvidiaGpus, api.TorchBuild, api.Typed),
)
def visible_devices_wrong(facts: api.Facts) -> api.Finding | None:
    """Report variables that hide all NVIDIA cards or have a bad entry; for AMD check each variable."""
    doubled = _find_shared_gpu(facts)
    if not facts.environment:
        return (
            _find_error(facts)
            or _find_too_many_processes(facts)
            or _find_ordinal_beyond_gpus(facts)
            or doubled
        )
    rocm, cards = facts.torch.accelerator == "rocm", facts.nvidia.gpus
    if cards and not rocm:
        left = len(api.visible_gpus(cards, facts.environment))
        return (
            _check_variable(facts, CUDA, len(cards), [c.uuid for c in cards if c.uuid], left)
            or doubled
        )
    for name in AMD if rocm and facts.amd.gpus else ():
        if bad := _check_variable(facts, name, len(facts.amd.gpus)):
            return bad
    nameless = None if facts.nvidia or facts.amd else _find_invalid_list(facts)
    return (
        nameless or _find_ordinal_beyond_list(facts) or _find_too_many_processes(facts) or doubled
    )


def _find_shared_gpu(facts: api.Facts) -> api.Finding | None:
    """Find two ranks that use one GPU: too many ranks, a variable, or a script that names the device."""
    error = facts.error_text("/duplicate")
    if not error:
        return None
    return api.Finding(
        title="Two ranks of the job use one GPU",
        found=f"NCCL says '{error}'",
        means="NCCL fails with 'invalid usage', because each rank needs its own GPU",
        cure=api.tell("torchrun --nproc_per_node=gpu train.py"),
        cure_note=(
            "starts one rank per GPU; the script has to use cuda:LOCAL_RANK, and no variable "
            "selects one GPU for all ranks"
        ),
        settle="nvidia-smi -L; echo $CUDA_VISIBLE_DEVICES",
        said=error,
    )


def _find_invalid_list(facts: api.Facts) -> api.Finding | None:
    """Find a list that is wrong on any machine: "all" is valid only in NVIDIA_VISIBLE_DEVICES."""
    error, setting = facts.error_text(), facts.environment.get(CUDA)
    problem = _problem(setting, 1 << 20, [])
    if not error or not problem:
        return None
    hides = HIDES if problem == HIDES else "names no GPU"
    return api.Finding(
        title=f"{CUDA} {hides}",
        found=f"{CUDA} is '{setting}': {problem}; the error '{error}'",
        cure=facts.set_variable(CUDA, None),
        cure_note=(
            "unset it where the process starts: in the shell, the job script or the compose file; "
            "without it, every GPU is visible"
        ),
        evidence=(CUDA,),
        said=error,
    )


def _problem(setting: str | None, count: int, uuids: list[str]) -> str:
    """Return what is wrong with a list, or "". Without UUIDs to compare, any UUID is accepted."""
    if setting is None:
        return ""
    listed_ = api.entries(setting)
    if not listed_ or listed_[0] in ("-1", "NoDevFiles"):
        return HIDES
    for entry in listed_:
        if re.fullmatch(r"[0-9]{1,6}", entry):
            if int(entry) >= count:
                return f"{entry} is higher than the index of the last GPU, {count - 1}"
        elif entry.startswith("GPU-"):
            if len(uuids) == count and not any(uuid.startswith(entry) for uuid in uuids):
                return f"no GPU here has the UUID {entry}"
        elif not entry.startswith("MIG-"):
            # an entry such as -1 after good ones ends the list on purpose
            return "" if entry == "-1" else f"'{entry}' is neither an index nor a UUID"
    return ""


def _check_variable(
    facts: api.Facts, name: str, count: int, uuids: list[str] | None = None, left: int = 0
) -> api.Finding | None:
    setting = facts.environment.get(name)
    problem = _problem(setting, count, uuids or [])
    if not problem:
        return None
    error = "" if left or uuids is None else facts.error_text()
    number = "1 GPU" if count == 1 else f"{count} GPUs"
    found = f"{name} is '{setting or ''}': {problem}; the machine has {number}"
    found += f"; the error '{error}'" if error else ""
    if left:
        title = f"{name} names a GPU that does not exist"
        means = f"the list ends there, so training uses {left} of {count} GPUs"
    else:
        title = f"{name} {HIDES if problem == HIDES else 'names no GPU that exists'}"
        means = ""
    # hiding all GPUs can be intended, unless something failed because it found none
    deliberate = problem == HIDES and not error
    return api.Finding(
        title=title,
        severity="warning" if left or deliberate else "error",
        found=found,
        means=means,
        cure=facts.set_variable(name, None),
        cure_note=(
            "in the shell that starts training; look for it in ~/.bashrc and in the job script"
        ),
        evidence=(name,),
        said=error,
    )


def _is_in_mig(facts: api.Facts) -> bool:
    return any(card.mig for card in facts.nvidia.gpus)


def _find_error(facts: api.Facts) -> api.Finding | None:
    """Without known variables: the driver lists GPUs, but CUDA finds none."""
    if error := facts.error_text("/unknown"):
        return api.Finding(
            title="The container requests a GPU that does not exist",
            found=f"the container tool says '{error}'",
            means="the container does not start, so nothing trains",
            cure=api.tell("docker run --gpus all IMAGE"),
            cure_note=(
                "`nvidia-smi -L` on the host lists the indexes and UUIDs for --gpus '\"device=0\"'"
            ),
            said=error,
        )
    error, count = facts.error_text(), len(facts.nvidia.gpus)
    if not error or not count or _is_in_mig(facts):
        return None
    names = f"nvidia-smi lists {count} GPU{'s' if count > 1 else ''}"
    # a container without a GPU gives the same error while nvidia-smi ran outside it
    return api.Finding(
        title="CUDA finds no GPU, although the driver lists one",
        found=f"the error '{error}', while {names}; the value of {CUDA} is unknown",
        cure=facts.set_variable(CUDA, None),
        cure_note="if it is set; indexes start at 0",
        settle="echo $CUDA_VISIBLE_DEVICES; ls /dev/nvidia*",
        said=error,
    )


def _find_too_many_processes(facts: api.Facts) -> api.Finding | None:
    """Find a launcher with more processes than GPUs."""
    error = facts.error_text("/slot", "/ranks")
    ranks = facts.expression("/ranks")
    requested = next((f for c in facts.typed.commands if (f := ranks.search(c))), None)
    if not error or requested is None or _is_in_mig(facts):
        return None
    return api.Finding(
        title="There are more processes than GPUs",
        found=f"the command requests {requested[0].strip()}; the error '{error}'",
        means="every process whose number is beyond the last GPU fails",
        cure=api.tell("nvidia-smi -L"),
        cure_note=AS_MANY_AS_GPUS,
        said=error,
    )


AS_MANY_AS_GPUS = f"start as many processes as it lists GPUs, minus those that {CUDA} hides"


def _find_ordinal_beyond_list(facts: api.Facts) -> api.Finding | None:
    """Find a process that uses a GPU number beyond those the list allows: more ranks than GPUs."""
    left = api.entries(facts.environment.get(CUDA) or "")
    error = facts.error_text("/ranks")
    if (
        not error
        or not left
        or any(entry.startswith("MIG-") for entry in left)
        or _is_in_mig(facts)
    ):
        return None
    number = len(left)
    return api.Finding(
        title="A process requests a GPU beyond the visible ones",
        found=f"{CUDA} is '{','.join(left)}', which leaves {number}; the error '{error}'",
        means="every process whose number is beyond the list fails",
        cure=api.tell(f"torchrun --nproc_per_node={number} SCRIPT"),
        cure_note=(
            "start as many processes as the variable names GPUs; within the list they count from 0. "
            "Or unset the variable"
        ),
        evidence=(CUDA,),
        said=error,
    )


def _find_ordinal_beyond_gpus(facts: api.Facts) -> api.Finding | None:
    """Trust a launcher that counted the GPUs; CUDA's error does not show who requested which."""
    sure = facts.error_text("/counted")
    error = sure or facts.error_text("/ordinal")
    if not error or facts.nvidia:
        return None
    return api.Finding(
        title="A process requests a GPU that it does not have",
        means="every process whose number is beyond the last GPU fails",
        cure=api.tell("nvidia-smi -L"),
        cure_note=f"{AS_MANY_AS_GPUS}; indexes start at 0",
        settle="" if sure else f"nvidia-smi -L; echo ${CUDA}",
        said=error,
    )
