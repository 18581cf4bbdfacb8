"""What must be said of the release: why not a newer one, what the default index would have given, what else fits."""

from tunedoctor.tables.wheels import Release
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Alternative, Said
from tunedoctor.wheels.coverage import newer_than
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import NEWEST, Found, Question, allowed, fitting, offered, releases
from tunedoctor.wheels.say_cuda import about_cuda, about_default_build
from tunedoctor.wheels.say_rocm import about_rocm
from tunedoctor.wheels.situation import Situation, driver_words, names_of


def about_release(s: Situation, found: tuple[Found, ...]) -> tuple[list[Said], list[Alternative]]:
    """Return what to say of a build that fits, the deciding sentence first, and further builds."""
    best = found[0]
    said: list[Said] = [("", _why(s, best))]
    more: list[Alternative] = []
    said += _not_sure(s, best)
    if s.gpus.nvidia and best.variant.startswith("cu"):
        cuda_said, more = about_cuda(s, best)
        said += [*cuda_said, *_unread(s, best)]
    if s.gpus.amd and best.variant.startswith("rocm"):
        said += about_rocm(s, best)
    if best.row.kind in ("rocm", "xpu"):
        more += _unseen(s, best)
    said += [*_about_python(s.question, best.release), *about_system(s, best.release)]
    said += _about_default(s, best)
    system = {"wsl": "linux"}.get(s.machine.platform, s.machine.platform)
    if best.release.numpy_abi.get(system) == 1:
        said.append(
            ("numpy_lt_2", f"torch {best.release.version} was built for NumPy 1: pin numpy<2")
        )
    return said, more


INTEL_MAC = (
    "intel_mac_ended",
    "2.2.2 is the last torch for Intel Macs, for Python 3.8 to 3.12",
)


def _why(s: Situation, best: Found) -> str:
    wanted = s.question.torch
    within = [release for release, _ in allowed(wanted)]
    if len(within) == 1:
        place = f"the build of {wanted} for this machine"
    elif best.release is releases()[0]:
        place = "the newest torch"
    elif best.release is within[0]:
        place = f"the newest torch within {wanted}"
    else:
        place = "the newest torch that fits"
    if best.variant in ("cpu", "mps"):
        return f"{best.build} is {place}"
    known = [g for g in _served(s, best) if g.compute_capability or g.gfx or g.vendor == "intel"]
    code = f"holds code for {names_of(known)}" if known else ""
    runs = f"runs on {driver_words(s.machine)}" if best.variant.startswith("cu") else ""
    return f"{best.build} is {place}: it {' and '.join(filter(None, (code, runs)))}".removesuffix(
        ": it "
    )


def _served(s: Situation, best: Found) -> tuple[Gpu, ...]:
    """Return the GPUs that a build is for."""
    if best.variant.startswith("cu"):
        return s.gpus.nvidia
    return s.gpus.amd if best.variant.startswith("rocm") else s.gpus.intel


def _not_sure(s: Situation, best: Found) -> list[Said]:
    said: list[Said] = []
    if not best.row.seen or (not best.verified and best.variant.startswith("cu")):
        said.append(
            ("", f"{best.build} was not seen on the index, or its list of code was not read")
        )
    unknown = [
        g for g in _served(s, best) if not (g.compute_capability or g.gfx or g.vendor == "intel")
    ]
    if unknown and best.variant.startswith("cu"):
        why = (
            f"the compute capability of {names_of(unknown)} is not known here, nor whether the build holds code for "
            "it: nvidia-smi --query-gpu=name,compute_cap --format=csv tells"
        )
        said.append(("", why))
    elif unknown and best.variant.startswith("rocm"):
        why = (
            f"the gfx target of {names_of(unknown)} is not known here, nor whether the build holds code for it: "
            "rocminfo tells"
        )
        said.append(("", why))
    return said


def _unseen(s: Situation, best: Found) -> list[Alternative]:
    """Return the build of a newer release that nobody saw on the index: the newest cards may want it."""
    for release in newer_than(best.release, s.question.torch):
        only = s.question._replace(torch=f"=={release.version}")
        if found := offered(fitting(only, best.row.kind), "whose publication was not seen"):
            return list(found)
    return []


def _unread(s: Situation, best: Found) -> list[Said]:
    """Say where a newer release was seen on the index and its code was not read."""
    q = s.question
    for release in newer_than(best.release, q.torch):
        builds = release.of(q.family, "cuda")
        if q.python in release.pythons(q.family) and builds and builds[-1].carried:
            why = (
                f"torch {release.version} is newer; for which GPUs its wheels hold code is not known here, so it is "
                f"not chosen unasked: --torch '=={release.version}' asks for it"
            )
            return [("", why)]
    return []


def no_label(wanted: str) -> Said:
    """Say how to ask for a build whose files carry no label; `wanted` is the release, as in ==2.5.1."""
    right = f"torch{wanted}"
    why = f"the aarch64 files of cu124 carry no label: ask that index for {right}, not for {right}+cu124"
    return ("no_local_label_on_aarch64", why)


def _about_python(q: Question, chosen: Release) -> list[Said]:
    """Say where a newer release has no wheel for this Python any more."""
    said: list[Said] = []
    for release in newer_than(chosen, q.torch):
        tags = release.pythons(q.family)
        if not tags or q.python in tags:
            continue
        if q.python == "3.13t":
            why = "free-threaded 3.13 ended with torch 2.12.0; 3.14t goes on"
            said.append(("free_threaded_313_dropped", why))
        elif parts(q.python) < min(parts(t) for t in tags):
            why = f"torch {release.version} has no wheel for Python {q.python} any more"
            said.append(("python_old", why))
        break
    return said


def about_system(s: Situation, chosen: Release | None) -> list[Said]:
    """Say where glibc, macOS or an Intel Mac keeps newer releases away."""
    q = s.question
    said: list[Said] = []
    newer = newer_than(chosen, q.torch)
    with_python = [r for r in newer if q.python in r.pythons(q.family)]
    if q.glibc != NEWEST and any(q.glibc < r.floor(q.family, q.python) for r in with_python):
        why = f"newer torch needs glibc 2.28; here is {s.machine.glibc}"
        if q.glibc < (2, 17):
            why = f"torch needs glibc 2.17, newer releases 2.28; here is {s.machine.glibc}"
        said.append(("glibc_too_old_for_newer", why))
    elif build := _of_newer_glibc(s, chosen):
        why = f"{build} needs glibc 2.28; here is {s.machine.glibc}"
        said.append(("glibc_too_old_for_newer", why))
    floors = [r.floor(q.family, q.python) for r in with_python] if q.family == "macos_arm64" else []
    if late := [floor for floor in floors if q.macos < floor]:
        floor = ".".join(map(str, min(late)))
        why = f"newer torch needs macOS {floor}; here is {s.machine.macos}"
        said.append(("macos_too_old_for_newer", why))
        tagged = [
            r
            for r in with_python
            if min(b.system for b in r.of(q.family, "cpu")) <= q.macos < r.floor(q.family, q.python)
        ]
        if tagged:
            floor = ".".join(map(str, tagged[0].floor(q.family, q.python)))
            why = (
                f"the {tagged[0].version} wheel for Python {q.python} is tagged macOS {floor}, that for older Pythons "
                "lower"
            )
            said.append(("macos_tag", why))
    if q.family == "macos_x86_64" and chosen is not None and newer:
        said.append(INTEL_MAC)
    return said


def _of_newer_glibc(s: Situation, chosen: Release | None) -> str:
    """Return a CUDA build of the releases in question that glibc alone keeps away; "" where there is none."""
    q = s.question
    for release, labels in allowed(q.torch) if s.gpus.nvidia and q.glibc != NEWEST else ():
        for build in release.of(q.family, "cuda") if chosen in (None, release) else ():
            named = labels is None or build.variant in labels
            if named and q.glibc < build.system and q.driver >= build.drivers[q.windows]:
                return f"{release.version}+{build.variant}"
    return ""


def _about_default(s: Situation, best: Found) -> list[Said]:
    """Say what a plain install from the default index would have given."""
    q, platform = s.question, s.machine.platform
    said: list[Said] = []
    gpu = best.variant not in ("cpu", "mps")
    default = best.release.pypi_default.get(q.family, "")
    if platform == "windows" and gpu:
        why = "a plain install on Windows gives the CPU build, in every release"
        said.append(("pypi_windows_is_cpu", why))
    if q.family == "linux_aarch64" and gpu:
        if default == "cpu":
            why = f"a plain install of {best.release.version} on aarch64 gives the CPU build"
            said.append(("pypi_aarch64_is_cpu", why))
        if best.variant == "cu124":
            said.append(no_label(f"=={best.release.version}"))
    if best.variant.startswith("cu") and default.startswith("cu"):
        said += about_default_build(s, best, default)
    newest = next((r for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)), None)
    plain = newest.pypi_default.get(q.family, "") if newest else ""
    if s.gpus.nvidia and plain.startswith("cu13") and q.driver < (580,):
        why = f"a plain install gives {plain}, which needs driver 580; here is {driver_words(s.machine)}"
        said.append(("pypi_default_needs_580", why))
    return said
