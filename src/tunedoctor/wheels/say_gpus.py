"""What must be said of the GPUs: those left out, those that force the choice, those without a driver."""

from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Said
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import override_of, pick_cuda, pick_rocm
from tunedoctor.wheels.situation import Situation, names_of
from tunedoctor.wheels.targets import last_driver, override_of_all
from tunedoctor.wheels.undriven import in_container, seen_but_not_driven


def about_gpus(s: Situation) -> list[Said]:
    """Return what the machine's GPUs ask to be said, whatever was chosen."""
    return [*_left_out(s), *_nvidia(s), *_amd(s), *_none(s)]


def _left_out(s: Situation) -> list[Said]:
    said: list[Said] = []
    out = s.gpus.out
    if gpus := out("not supported"):
        why = f"no torch since 2.0 holds code for the {names_of(gpus)}"
        said += [("gpu_not_supported", why), ("gpu_ignored", why)]
    if gpus := out("excluded", "integrated"):
        said.append(("gpu_ignored", f"not counted: {names_of(gpus)}"))
    if gpus := out("not xpu"):
        working = s.gpus.nvidia or s.gpus.amd or s.gpus.intel
        why = f"{names_of(gpus)} is no device that the XPU builds run on"
        said.append(("gpu_ignored" if working else "igpu_not_xpu", why))
    too_new = [g for g in out("driver too new") if last_driver(g.compute_capability) == "580"]
    if too_new:
        driver = s.machine.driver_version
        why = f"driver {driver} does not drive the {names_of(too_new)}: branch 580 is the last that does"
        said.append(("driver_590_dropped_this_gpu", why))
    return said


def _nvidia(s: Situation) -> list[Said]:
    machine, gpus = s.machine, s.gpus
    undriven = seen_but_not_driven(gpus)
    every = (*gpus.nvidia, *undriven)
    said: list[Said] = []
    if machine.platform == "wsl" and every:
        why = "under WSL the driver is the one of Windows: never install a Linux driver inside"
        said.append(("wsl_driver_is_on_windows", why))
    old = [g for g in every if last_driver(g.compute_capability)]
    new = [g for g in every if parts(g.compute_capability) >= (10, 0)]
    if machine.platform == "linux" and old and new:
        why = (
            f"on Linux the {names_of(new)} needs the open kernel module and the {names_of(old)} the proprietary one: "
            "they cannot run together in one machine"
        )
        said.append(("open_module_excludes_pre_turing", why))
    if gpus.nvidia and undriven and len({g.compute_capability for g in every}) > 1:
        why = f"only what the driver drives counts: {names_of(gpus.nvidia)}, and not {names_of(undriven)}"
        said.append(("mixed_gpus", why))
    elif gpus.nvidia and undriven:
        said.append(("gpu_ignored", f"seen on the bus and not driven: {names_of(undriven)}"))
    elif len(gpus.capabilities) > 1:
        said.append(("mixed_gpus", _together(s)))
    if undriven and not machine.driver_version and (gpus.amd or gpus.intel):
        said.append(("nvidia_driver_missing", f"no driver is there for the {names_of(undriven)}"))
    return said


def _together(s: Situation) -> str:
    """Say which GPU forces the choice, where another one, alone, would have got a newer release."""
    alone = {
        c: pick_cuda(s.question._replace(capabilities=frozenset({c})))
        for c in s.question.capabilities
    }
    newest = max((found[0].release.parsed for found in alone.values() if found), default=None)
    forcing = [
        g
        for g in s.gpus.nvidia
        if not (found := alone.get(g.compute_capability)) or found[0].release.parsed != newest
    ]
    return _forced_by(s.gpus.nvidia, forcing, fits=bool(pick_cuda(s.question)))


def _amd(s: Situation) -> list[Said]:
    said: list[Said] = []
    gpus = s.gpus.amd
    if s.machine.platform != "linux" or not gpus:
        return said
    if len(s.question.gfx) > 1:
        said.append(("mixed_gpus", _amd_together(s)))
    if s.machine.rocm_tools is False or any("kfd" in g.seen_by.lower() for g in gpus):
        why = f"found by the kernel's own list, without ROCm tools: {names_of(gpus)}"
        said.append(("gpu_found_by_kfd", why))
    if overridden := [g for g in gpus if override_of(g.gfx)]:
        values = " ".join(f"{k}={v}" for k, v in override_of_all(gpus).items())
        why = f"no build has code for {names_of(overridden)}; gfx1030 code runs on it with export {values}"
        if "VERSION_" in values:
            why += " (the number is the GPU's Node in rocminfo)"
        said.append(("hsa_override_10_3_0", why))
    return said


def _none(s: Situation) -> list[Said]:
    if s.gpus.nvidia or s.gpus.amd or s.gpus.intel:
        return []
    kept_out = any(g.vendor == "nvidia" for g in s.gpus.out("excluded", "not supported"))
    alone = s.machine.driver_version and not seen_but_not_driven(s.gpus)
    if kept_out or s.machine.platform == "macos" or not (in_container(s) or alone):
        return []
    why = "no GPU is visible in this container: if the host has one, start the container with it (--gpus all)"
    if s.machine.platform == "windows":
        return [("", f"driver {s.machine.driver_version} is there, and no GPU that it drives")]
    if s.machine.driver_version:
        why = (
            f"driver {s.machine.driver_version} of the host is visible, and no GPU: the container was started without "
            "its GPUs (--gpus all)"
        )
    return [("container_without_gpu", why)]


def _amd_together(s: Situation) -> str:
    """Say which GPU forces the choice, where another one, alone, would have got a newer release."""
    alone = {gfx: pick_rocm(s.question._replace(gfx=frozenset({gfx}))) for gfx in s.question.gfx}
    newest = max((found[0].release.parsed for found in alone.values() if found), default=None)
    forcing = [
        g for g in s.gpus.amd if not (f := alone.get(g.gfx)) or f[0].release.parsed != newest
    ]
    return _forced_by(s.gpus.amd, forcing, fits=bool(pick_rocm(s.question)))


def _forced_by(gpus: tuple[Gpu, ...], forcing: list[Gpu], *, fits: bool) -> str:
    if not fits:
        return f"no build that fits here holds code for {names_of(gpus)} together"
    if not forcing or len(forcing) == len(gpus):
        return f"one build has to hold code for {names_of(gpus)} together"
    names = names_of(forcing)
    return f"all GPUs together decide, and {names} {'hold' if ' and ' in names else 'holds'} the choice back"
