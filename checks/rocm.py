import re
import shlex

from msgspec import structs

from tunedoctor import api


@api.check(
    "gpu-arch-not-in-rocm-build",
    uses=(
        api.AmdGpus,
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.Runtime,
        api.TorchBuild,
    ),
)
def gpu_arch_not_in_rocm_build(facts: api.Facts) -> api.Finding | None:
    """Compare the targets; integrated GPUs count only if there is no other."""
    if facts.torch and facts.torch.accelerator != "rocm":
        return None
    ran = [d for d in facts.runtime.devices if d.kind == "rocm"]
    from_runtime = (api.AmdGpu(index=d.index, gfx=d.gfx, name=d.name) for d in ran)
    all_gpus = [*(facts.amd.gpus or from_runtime)]
    gpus = [gpu for gpu in all_gpus if not gpu.integrated] or all_gpus
    version = facts.torch.version
    # the table covers releases, not nightlies
    dated = not version or ".dev" in version or ".git" in version
    archs = api.gfx_targets(facts) or (() if dated else api.rocm_archs(version, facts.torch.hip))
    override = facts.environment.get("HSA_OVERRIDE_GFX_VERSION")
    first = next((gpu for gpu in gpus if gpu.gfx and gpu.gfx not in archs), None)
    name = f"{first.name or 'the GPU'} is {first.gfx}" if first else ""
    torch = facts.torch.described if facts.torch else "this PyTorch"
    if not archs and not override and gpus[:1] == [first] and first:
        since = api.rocm_archs_since(version) if ".dev" in version else ()
        if since and first.gfx not in since:
            found = f"{name}; {torch} is a nightly build, and no later release has code for it"
            return _report_missing_arch(facts, found, first.gfx, ())
    if archs and first and not override:
        found = f"{name}; {torch} has code for {api.listed(archs, 16)}"
        return _report_missing_arch(facts, found, first.gfx, archs)
    return None if archs and gpus else _find_missing_arch(facts, gpus, archs)


def _report_missing_arch(
    facts: api.Facts, found: str, gfx: str, archs: tuple[str, ...]
) -> api.Finding:
    override = api.rocm_override(gfx)
    grade = override.grade if override else ""
    fit = api.rocm_build((facts.host, facts.interpreter, facts.torch), (gfx,))
    use = grade in ("works", "older") or (grade == "stopgap" and not fit.on_index)
    has_code = override is not None and (override.runs in archs or not archs)
    if override and has_code and use and facts.host.os != "windows":
        cure = facts.set_variable(NAME, override.value)
        note = f"set it in the shell that starts training: {gfx} then runs the code for {override.runs}"
        if grade == "stopgap":
            note += "; this is a stopgap until you install a build with the target"
    else:
        cure, note = fit.cure, fit.note
        if override and grade == "fails":
            note += f"; an override to {override.value} is known to fail on {gfx}"
    return api.Finding(found=found, cure=cure, cure_note=note)


def _find_missing_arch(
    facts: api.Facts, gpus: list[api.AmdGpu], archs: tuple[str, ...]
) -> api.Finding | None:
    error = facts.error_text()
    if not error or "current device: 1" in error:
        return None
    match = facts.search("/gfx", error)
    gfx = gpus[0].gfx if gpus else match[0] if match else ""
    found = f"the error '{error}'" + (f" of {facts.torch.described}" if facts.torch else "")
    if gfx:
        return _report_missing_arch(facts, f"{found} on {gfx}", gfx, archs).saying(error)
    return api.Finding(
        found=found,
        cure=api.tell('python -c "import torch; print(torch.cuda.get_arch_list())"'),
        cure_note=(
            "prints the targets of this build; `rocminfo | grep gfx` prints the GPU's target, which "
            "has to be one of them"
        ),
        said=error,
    )


@api.check(
    "rocm-device-permission", uses=(api.Container, api.Errors, api.RocmStack, api.TorchBuild)
)
def rocm_device_permission(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build, unless an error shows it; all render nodes must be inaccessible."""
    rocm, torch = facts.rocm, facts.torch
    error = facts.error_text()
    if rocm.kfd not in ("missing", "no memory", "ok"):
        error = error or facts.error_text("/nameless")
    guess = "" if error or facts.error_text("/others") else facts.error_text("/guess")
    error = error or guess
    closed = rocm.render_denied and len(rocm.render_denied) == len(rocm.render_nodes)
    denied = torch and (rocm.kfd == "denied" or closed)
    if (torch and torch.accelerator != "rocm") or not (error or denied):
        return None
    files = (*(["/dev/kfd"] if rocm.kfd == "denied" else []), *rocm.render_denied)
    found = ""
    if files:
        found = f"{api.listed(files)}: permission denied"
        if rocm.groups_missing:
            found += f"; this user is not in {api.listed(rocm.groups_missing)}"
    if facts.container:
        cure = api.tell(
            "docker run --device=/dev/kfd --device=/dev/dri --group-add $(stat -c %g /dev/kfd) "
            "--group-add video IMAGE",
            "root",
        )
        note = "start a new container this way, from the host's shell"
    else:
        groups = ",".join(rocm.groups_missing or ("render", "video"))
        cure = api.tell(f"sudo usermod -a -G {groups} $LOGNAME")
        note = "needs root; log out and in again afterwards"
    return api.Finding(
        found=found,
        cure=cure,
        cure_note=note,
        evidence=files[:4],
        settle="ls -l /dev/kfd /dev/dri/renderD*; id" if guess else "",
        said=error,
    )


@api.check(
    "rocm-driver-not-bound",
    uses=(
        api.Container,
        api.Errors,
        api.Host,
        api.PciBus,
        api.RocmStack,
        api.Runtime,
        api.TorchBuild,
    ),
)
def rocm_driver_not_bound(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build, unless an error shows it; never in WSL, which has no /dev/kfd."""
    build = facts.torch.accelerator if facts.torch else "rocm"
    if facts.host.wsl or (facts.host and facts.host.os != "linux") or build != "rocm":
        return None
    cards = facts.pci.of("1002")
    unbound = [card for card in cards if card.driver is not None and card.driver != "amdgpu"]
    error = facts.error_text()
    if error.startswith("Bad return status") and facts.error_text("/nvidia"):
        error = ""
    hip = facts.torch or facts.runtime.torch_hip or facts.error_text("/hip")
    mine = cards and len(unbound) == len(cards) and (hip or error)
    gone = facts.error_text("/no-device")
    shows_devices = not facts.container and (facts.torch or cards)
    if gone and shows_devices and not error and all(card.driver is None for card in cards):
        error, cards = gone, ()
    if facts.rocm.kfd == "ok" or not (mine or (error and not cards)):
        return None
    found = ""
    if mine:
        drivers = api.listed(sorted({card.driver or "no driver" for card in unbound}))
        found = f"{_card_name(unbound[0])} uses {drivers} instead of amdgpu"
    on_host = "on the host of this container; " if facts.container else ""
    return api.Finding(
        found=found,
        cure=api.tell("sudo modprobe amdgpu"),
        cure_note=(
            f"{on_host}needs root; if it fails, `sudo dmesg | grep amdgpu` shows the reason. Cloud "
            "slices of an MI25 have no Linux driver: use another instance"
        ),
        evidence=("/sys/bus/pci/devices", "/dev/kfd") if facts.pci else (),
        said=error,
    )


def _card_name(card: api.PciDevice) -> str:
    """Name a card by id and slot; a report has a name instead, and sometimes no slot."""
    name = f"AMD GPU 1002:{card.device}" if card.device else card.name or "the AMD GPU"
    return f"{name} at {card.slot}" if card.slot else name


VISIBLE = "HIP_VISIBLE_DEVICES"
WHICH_IS_CARD = "in the shell that starts training; `rocminfo` shows which index is the card"
VARIABLES = (
    *(f"{vendor}_VISIBLE_DEVICES" for vendor in ("HIP", "ROCR", "CUDA")),
    "GPU_DEVICE_ORDINAL",
)


@api.check(
    "rocm-igpu-confusion",
    uses=(api.AmdGpus, api.Environment, api.Errors, api.Runtime, api.TorchBuild),
)
def rocm_igpu_confusion(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build; also if a log names two devices and fails on the second."""
    chips = [gpu for gpu in facts.amd.gpus if gpu.integrated]
    cards = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    both = bool(chips and cards)
    if landed := _find_integrated_in_use(facts, chips, cards):
        return landed
    blind = not facts.amd or not (facts.environment or (both and facts.error_text("/crashed")))
    if blind or (both and not facts.torch):
        return _suspect_second_device(facts) or _suspect_first_gpu(facts, cards)
    hidden = any(facts.environment.get(name) is not None for name in VARIABLES)
    # torch can skip the integrated GPU automatically: then nothing is wrong
    seen_by_torch = len([d for d in facts.runtime.devices if d.kind == "rocm"])
    if not both or hidden or facts.torch.accelerator != "rocm" or 0 < seen_by_torch <= len(cards):
        return None
    listed = f"{api.listed(map(_gpu_label, chips))} is listed along with {api.listed(map(_gpu_label, cards))}"
    return api.Finding(
        found=f"{listed}; no variable hides it",
        cure=facts.set_variable(VISIBLE, ",".join(str(gpu.index) for gpu in cards)),
        cure_note=(
            "in the shell that starts training; `rocminfo` shows the order. If it still crashes, "
            "disable the integrated graphics in the BIOS"
        ),
        evidence=("/sys/class/kfd/kfd/topology/nodes",),
    )


def _gpu_label(gpu: api.AmdGpu) -> str:
    return f"{gpu.name or gpu.gfx} ({gpu.gfx})"


def _find_integrated_in_use(
    facts: api.Facts, chips: list[api.AmdGpu], cards: list[api.AmdGpu]
) -> api.Finding | None:
    """Find an integrated GPU for which rocBLAS had no code while there is a discrete card."""
    error = facts.error_text("/landed")
    match = re.search(r"gfx[0-9a-f]{3,5}", error)
    card = next((gpu for gpu in cards if gpu.gfx), None)
    if match is None or card is None or not api.named_as("amd_integrated", match[0]):
        return None
    index = card.index if chips else 1
    return api.Finding(
        severity="error",
        found=(
            f"rocBLAS looked for code for {match[0]}, which is part of the processor; the card is "
            f"{_gpu_label(card)}"
        ),
        cure=facts.set_variable(VISIBLE, str(index)),
        cure_note=(
            "in the shell that starts training. If it still crashes, disable the integrated "
            "graphics in the BIOS"
        ),
        said=error,
    )


def _suspect_first_gpu(facts: api.Facts, cards: list[api.AmdGpu]) -> api.Finding | None:
    """Suspect the integrated GPU if it comes first and the program crashed silently."""
    full = facts.error_text("/full")
    died = full or facts.error_text("/crashed", "/died")
    first = min(facts.amd.gpus, key=lambda gpu: gpu.index, default=None)
    if not died or first is None or not cards or not first.integrated:
        return None
    name, index = first.name or first.gfx, cards[0].index
    alone = "python -c 'import torch; print(torch.ones(2).cuda() + 1)'"
    return api.Finding(
        severity="error",
        found=f"the first GPU is {name}, which is part of the processor; '{died}'",
        cure=facts.set_variable(VISIBLE, str(index)),
        cure_note=WHICH_IS_CARD,
        settle="" if full else f"{VISIBLE}={index} {alone}",
        said=died,
    )


def _suspect_second_device(facts: api.Facts) -> api.Finding | None:
    """Treat a device above 0 without code as the integrated GPU."""
    lacks = facts.matched("/function")
    second = facts.expression("/second")
    if not lacks or not any(second.search(error.text) for error in facts.errors.errors):
        return None
    return api.Finding(
        severity="error",
        found="'invalid device function' on device 1, which is not the first GPU",
        cure=facts.set_variable(VISIBLE, "0"),
        cure_note=WHICH_IS_CARD,
        said=lacks[0],
    )


NAME = "HSA_OVERRIDE_GFX_VERSION"


@api.check(
    "rocm-override-wrong",
    uses=(
        api.AmdGpus,
        api.Environment,
        api.Errors,
        api.PciBus,
        api.Runtime,
        api.TorchBuild,
        api.Typed,
    ),
)
def rocm_override_wrong(facts: api.Facts) -> api.Finding | None:  # noqa: PLR0911  the value, the GPU and the build
    """Judge the value, set or not passed on, for the first discrete GPU; an unneeded one is a warning."""
    value, gpus = facts.environment.get(NAME), facts.amd
    crashes = facts.error_text("/crashes")
    if not gpus and crashes and (cards := api.amd_on_bus(facts.pci)):
        gpus = api.AmdGpus(gpus=cards)
    if value is None:
        return _find_unpassed_override(facts, gpus)
    if not gpus.gpus:
        return None
    gpu = next((g for g in gpus.gpus if not g.integrated), gpus.gpus[0])
    crossed = _find_crossed_family(facts, value, gpu) if crashes else None
    if crossed is not None or facts.torch.accelerator != "rocm":
        return crossed
    ran = (s.name for s in facts.runtime.stages if s.outcome == "ok")
    target, fitting = _override_target(value), _override_value(gpu.gfx)
    archs = api.gfx_targets(facts) or api.rocm_archs(facts.torch.version, facts.torch.hip)
    if target == gpu.gfx or any(name.startswith("matmul cuda:") for name in ran):
        return None
    if gpu.gfx in archs:
        row = api.rocm_override(gpu.gfx)
        stopgap = row is not None and row.grade == "stopgap"
        crosses = value != fitting if stopgap else not target or target[:-2] != gpu.gfx[:-2]
        return _report_needless_override(facts, value, gpu, crosses=crosses)
    if value == fitting or not gpu.gfx:
        return None
    fits = f"takes {fitting}" if fitting else "no value fits"
    return api.Finding(
        found=f"{NAME} is '{value}'; {_describe_gpu(gpu)}, which {fits}",
        cure=facts.set_variable(NAME, fitting or None),
        cure_note="in the shell that starts training; in fish: set -gx",
        evidence=(NAME, f"{facts.torch.described} has code for {api.listed(sorted(archs), 6)}"),
    )


def _describe_gpu(gpu: api.AmdGpu) -> str:
    return f"{gpu.name or 'the GPU'} is {gpu.gfx}"


def _find_crossed_family(facts: api.Facts, value: str, gpu: api.AmdGpu) -> api.Finding | None:
    """Report a crash with a value of another GPU family; rocminfo itself shows the variable's target."""
    real, target = api.amd_gfx_by_name(gpu.name) if gpu.name else "", _override_target(value)
    if not real or not target or target[:-2] == real[:-2] or gpu.gfx not in (real, target):
        return None
    return _report_needless_override(facts, value, structs.replace(gpu, gfx=real), crosses=True)


def _find_unpassed_override(facts: api.Facts, gpus: api.AmdGpus) -> api.Finding | None:
    """Report a GPU that needs the variable, if it was set in a shell but is not in the environment."""
    typed = any(NAME in command for command in facts.typed.commands)
    gpu = next((g for g in gpus.gpus if not g.integrated and _override_value(g.gfx)), None)
    archs = {*api.gfx_targets(facts), *api.rocm_archs(facts.torch.version, facts.torch.hip)}
    if gpu is None or not facts.torch or not typed or gpu.gfx in archs:
        return None
    value = _override_value(gpu.gfx)
    return api.Finding(
        title=f"{NAME} does not reach the process",
        found=(
            f"{_describe_gpu(gpu)} and needs {NAME}={value}; a command in the shell names the "
            "variable, but programs do not receive it"
        ),
        means="the first kernel crashes with a segmentation fault or 'invalid device function'",
        cure=facts.set_variable(NAME, value),
        cure_note="in the shell that starts training; in fish: set -gx, which exports it",
        evidence=(NAME,),
    )


def _report_needless_override(
    facts: api.Facts, value: str, gpu: api.AmdGpu, *, crosses: bool
) -> api.Finding:
    target = f" ({_override_target(value)})" if _override_target(value) else ""
    return api.Finding(
        title=f"{NAME} is set but not needed",
        severity="error" if crosses else "warning",
        found=f"{NAME} is '{value}'{target}; {_describe_gpu(gpu)}, for which this build has its own code",
        means=(
            "kernels for another chip run instead of the card's own, which leads to crashes and "
            "memory faults"
        ),
        cure=facts.set_variable(NAME, None),
        cure_note="in the shell that starts training, and in ~/.bashrc or ~/.profile",
        evidence=(NAME,),
    )


def _override_value(gfx: str) -> str:
    """Return the value that works for a GPU, or ""."""
    override = api.rocm_override(gfx)
    return override.value if override is not None and override.grade != "fails" else ""


def _override_target(value: str) -> str:
    """Return the target of a value: "10.3.0" -> gfx1030; "" if the value is invalid."""
    if not re.fullmatch(r"\d{1,2}\.\d{1,3}\.\d{1,3}", value):
        return ""
    major, minor, step = api.parts(value)
    return f"gfx{major}{minor:x}{step:x}"


@api.check("rocm-path-with-space", uses=(api.Disks, api.Errors, api.Interpreter, api.Runtime))
def rocm_path_with_space(facts: api.Facts, torch: api.TorchBuild) -> api.Finding | None:
    """Check the path of the environment, the working folder or a traceback, unless a computation worked."""
    if torch.accelerator != "rocm" or api.parts(torch.hip)[:1] != (6,):
        return None
    stages = (s for s in facts.runtime.stages if s.name.startswith("matmul cuda:"))
    if any(stage.outcome == "ok" for stage in stages):
        return None
    work = next((disk.path for disk in facts.disks.disks if disk.use == "work"), "")
    prefix = facts.interpreter.prefix or torch.location
    place = next((path for path in (torch.location, prefix, work) if " " in path), "")
    error = "" if place else facts.error_text()
    # the program is the outermost frame of a traceback
    files = (e.frames[0].file for e in facts.errors.errors if e.frames and error)
    program = next((file for file in files if " " in file), "")
    if not place and not program:
        return None
    hip = ".".join(torch.hip.split(".")[:2])
    path = place or program
    found = f"{torch.described} is built for ROCm {hip}; the path '{path}' contains a space"
    return api.Finding(
        severity="warning" if place and place == work else "error",
        found=found + (f"; the error '{error}'" if error else ""),
        cure=api.tell("python3 -m venv ~/llm/.venv"),
        cure_note=(
            "create a new environment in a path without spaces, install the same packages there and "
            "move the project"
        ),
        evidence=(path,),
        said=error,
    )


STATED = ("/refused", "/atomics")
_FIRMWARE = re.compile(r"rejects atomics (\d{1,9})<(\d{1,9})")
"""Version of the card's firmware, and of the first that needs no PCIe atomics; 0 where there is none."""


@api.check(
    "rocm-unsupported-hardware",
    uses=(api.AmdGpus, api.Errors, api.KernelLog, api.RocmStack, api.TorchBuild),
)
def rocm_unsupported_hardware(facts: api.Facts) -> api.Finding | None:
    """Only if no AMD GPU is available for computing, with a ROCm build unless an error shows it."""
    other = facts.torch and facts.torch.accelerator != "rocm"
    if other or any(gpu.gfx for gpu in facts.amd.gpus):
        return None
    stated = facts.error_text(*STATED)
    if not stated and facts.amd.gpus:
        return None
    error = stated or facts.error_text("/unstated")
    logged = facts.kernel_log.kfd
    line = next(
        (
            line_of_log
            for line_of_log in logged
            if "not supported" in line_of_log or "atomics" in line_of_log
        ),
        "",
    )
    refused = facts.torch and (facts.rocm.kfd == "no memory" or line)
    if not error and not refused:
        return None
    if line:
        found = f"the kernel says '{line}'"
    elif error:
        found = f"the error '{error}'"
    else:
        found = (
            "opening /dev/kfd fails with 'Cannot allocate memory', and no AMD GPU is available for "
            "computing"
        )
    atomics = "\n".join(message for message in (error, *logged) if "atomics" in message)
    versions = _FIRMWARE.search(atomics)
    firmware, needed = map(int, versions.groups()) if versions else (0, 0)
    title = ""
    if needed:
        title = "The AMD GPU's firmware is too old for its slot"
        cure = api.advise(
            "Update the firmware of the GPU (linux-firmware, or AMD's amdgpu-dkms), then reboot"
        )
        note = (
            f"with firmware {needed} or newer the card needs no atomics; it has {firmware}. Or move "
            "it to a slot that is connected directly to the processor"
        )
    elif atomics:
        title = "The AMD GPU's slot has no PCIe atomics"
        cure = api.advise("Move the card to a slot that is connected directly to the processor")
        note = "without a riser; old processors and slots of the chipset do not support atomics"
    else:
        cure = api.advise("Train on another GPU: RX 6800, RX 7000, MI200 or newer")
        note = "no driver setting helps; the card can still drive a screen"
    return api.Finding(
        title=title,
        found=found,
        cure=cure,
        cure_note=note,
        evidence=(("kernel log" if line else "/dev/kfd" if facts.rocm else ""),),
        settle="" if stated or refused else "sudo dmesg | grep -i kfd",
        said=error,
    )


@api.check("rocm-wsl-runtime-library", uses=(api.RocmStack, api.Runtime))
def rocm_wsl_runtime_library(
    facts: api.Facts, host: api.Host, torch: api.TorchBuild
) -> api.Finding | None:
    """Report an error if torch failed in a run; without a run, warn about wheels from PyTorch's index."""
    if host.wsl != 2 or torch.accelerator != "rocm":
        return None
    failed = facts.runtime.gpu_available is False
    # AMD's own wheels carry a local label such as rocm7.2.1.lw or rocmsdk
    ours = failed or torch.variant
    if facts.runtime.gpu_works or facts.rocm.dxg is False or not ours:
        return None
    folder = f"{torch.location}/lib" if torch.location else "torch/lib"
    ubuntu = next(
        (library for library in facts.rocm.hsa_libraries if library.startswith("/usr/lib/")), ""
    )
    found = f"{torch.described} in WSL 2 includes its own libhsa-runtime64.so in {folder}"
    note = "then the runtime of AMD's ROCm for WSL is found"
    if ubuntu:
        found += f"; Ubuntu's {ubuntu} is installed too"
        note += "; also run: sudo apt-get remove libhsa-runtime64-1 libhsakmt1"
    return api.Finding(
        severity="error" if failed else "warning",
        found=found,
        cure=api.tell(f"rm {shlex.quote(folder)}/libhsa-runtime64.so*", who="root"),
        cure_note=note,
        evidence=("/dev/dxg", folder),
    )
