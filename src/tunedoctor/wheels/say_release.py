"""What must be said of the release: why not a newer one, what the default index would have given, what else fits."""

from collections.abc import Iterable, Iterator

from tunedoctor.versions import parts
from tunedoctor.wheels.blocked import WayOut
from tunedoctor.wheels.choice import Alternative
from tunedoctor.wheels.matrix import CudaBuild, Release, allowed, releases, serves
from tunedoctor.wheels.pick import NEWEST, Found, Question, pick_cuda
from tunedoctor.wheels.situation import Said, Situation, floor_words, newest_driver
from tunedoctor.wheels.targets import is_data_centre, is_vgpu

_TURING_FLOOR = 13
"""CUDA major whose builds start at Turing and need driver 580."""


def about_release(s: Situation, found: tuple[Found, ...]) -> tuple[list[Said], list[Alternative]]:
    """Return what to say of a build that fits, the deciding sentence first, and further builds."""
    best = found[0]
    said: list[Said] = [("", _why(s, best))]
    more: list[Alternative] = []
    if not best.verified:
        said.append(
            ("", f"{best.build} was not seen on the index, or its list of code was not read")
        )
    if s.gpus.nvidia and best.variant.startswith("cu"):
        cuda_said, more = _about_cuda(s, best)
        said += cuda_said
    if s.gpus.amd and best.variant.startswith("rocm"):
        said += _about_rocm(s, best)
    said += [*_about_python(s.question, best.release), *_about_system(s, best.release)]
    said += _about_default(s, best)
    system = {"wsl": "linux"}.get(s.machine.platform, s.machine.platform)
    if system in best.release.numpy1:
        said.append(
            ("numpy_lt_2", f"torch {best.release.version} was built for NumPy 1: pin numpy<2")
        )
    return said, more


def about_blocked(s: Situation, ways: list[WayOut]) -> list[Said]:
    """Return what to say where nothing fits as things are: the constraint in the way, and what its removal gives."""
    q, first = s.question, ways[0]
    asked = f" {q.torch}" if q.torch else ""
    said: list[Said] = [("", f"no torch{asked} fits as things are: {_in_words(s, first)}")]
    actions = {way.action for way in ways}
    if first.action == "upgrade_driver":
        said.append(("upgrade_driver", _driver_in_words(s, first)))
        said += _opt_ins(s, first.found[0])
        if "change_python" in actions:
            said += _python_against_driver(s, ways)
    if first.action == "change_python" or (
        first.action == "upgrade_driver" and not _has_python(q) and "change_python" in actions
    ):
        said += _no_python(s)
    if any(way.action in ("use_older_torch", "use_newer_torch") for way in ways):
        said += _about_code(s, first)
    said += [*_about_system(s, None), *_turing(s)]
    if s.question.family == "macos_x86_64":
        said.append(_INTEL_MAC)
    return said


_INTEL_MAC = (
    "intel_mac_ended",
    "2.2.2 is the last torch for Intel Macs, for Python 3.8 to 3.12",
)


def _why(s: Situation, best: Found) -> str:
    gpus = [g.name for g in (s.gpus.nvidia or s.gpus.amd or s.gpus.intel)]
    names = " and ".join(dict.fromkeys(gpus))
    newest = allowed(s.question.torch)[0][0]
    place = "the newest torch" if best.release is newest else "the newest that fits"
    if best.variant.startswith("cu"):
        return f"{best.build} is {place}: it holds code for {names} and runs on driver {s.machine.driver_version}"
    if best.variant in ("cpu", "mps"):
        return f"{best.build} is {place} for this system and Python"
    return f"{best.build} is {place} with code for {names}"


def _about_cuda(s: Situation, best: Found) -> tuple[list[Said], list[Alternative]]:
    q = s.question
    said: list[Said] = []
    more: list[Alternative] = []
    if not best.native:
        why = (
            f"driver {s.machine.driver_version} is older than the toolkit of {best.variant}: it runs by CUDA's minor "
            "version compatibility"
        )
        said.append(("not_native_for_this_toolkit", why))
    limit = newest_driver(s.gpus)
    newer = pick_cuda(q._replace(driver=limit)) if q.driver < limit else ()
    if newer and newer[0].release.parsed > best.release.parsed:
        floor = _floor(newer[0], q)
        why = f"with driver {floor} or newer it would be {newer[0].build}"
        said.append(("upgrade_driver_gives_newer_torch", why))
        more.append(Alternative(newer[0].build, f"with driver {floor} or newer"))
        said += _opt_ins(s, newer[0])
        if any("/compat" in value for value in s.machine.env.values()):
            more.append(Alternative(newer[0].build, "with cuda-compat kept on the path (opt-in)"))
    for release, build in _passed_over(s, best):
        why = f"{release.version}+{build.variant} holds no code for {_lacking(build, s)}"
        said.append(("gpu_not_in_this_build", why))
        break
    said += _turing(s)
    if not best.verified and (sure := _verified(q)) and sure.build != best.build:
        more.append(Alternative(sure.build, "whose publication was seen"))
    return said, more


def _verified(q: Question) -> Found | None:
    """Return the newest build that rests on verified rows alone."""
    for release, _ in allowed(q.torch):
        for found in pick_cuda(q._replace(torch=f"=={release.version}")):
            if found.verified:
                return found
    return None


def _passed_over(s: Situation, best: Found) -> Iterator[tuple[Release, CudaBuild]]:
    """Return builds newer in release or CUDA than the choice, open to this driver, that lack code for a GPU."""
    q = s.question
    chosen = next(b for b in best.release.cuda[q.family] if b.variant == best.variant)
    for release, _ in allowed(q.torch):
        if q.python not in release.pythons.get(q.family, ()):
            continue
        for build in release.cuda.get(q.family, ()):
            newer = release.parsed > best.release.parsed or parts(build.cuda) > parts(chosen.cuda)
            if newer and q.driver >= build.floor[q.windows] and not _serves(build, q):
                yield release, build


def _turing(s: Situation) -> list[Said]:
    """Say where CUDA 13 builds, or all builds of the newest release, hold no code for a GPU."""
    q = s.question
    said: list[Said] = []
    if not s.gpus.capabilities:
        return said
    inside = [one for one, _ in allowed(q.torch)]
    cuda13 = [b for one in inside for b in one.cuda.get(q.family, ()) if _major(b) >= _TURING_FLOOR]
    lacking = sorted({c for c in s.gpus.capabilities for b in cuda13[:1] if not _one(b, c)})
    lacking = [c for c in lacking if not any(_one(b, c) for b in cuda13)]
    if lacking:
        why = f"no CUDA 13 build holds code for {_by_capability(s, lacking)}"
        said.append(("gpu_not_in_cuda13_builds", why))
    dropped = next((one for one in inside if one.version == "2.15.0"), None)
    if dropped and (builds := dropped.cuda.get(q.family, ())):
        gone = [c for c in sorted(s.gpus.capabilities) if not any(_one(b, c) for b in builds)]
        if gone and any(_one(b, c) for c in gone for b in _older(dropped, q.family)):
            why = f"torch 2.15 has no build with code for {_by_capability(s, gone)}: 2.14.1+cu126 is the last"
            said.append(("gpu_dropped_in_2_15", why))
    return said


def _older(than: Release, family: str) -> list[CudaBuild]:
    return [b for r in releases() if r.parsed < than.parsed for b in r.cuda.get(family, ())]


def _about_rocm(s: Situation, best: Found) -> list[Said]:
    said: list[Said] = []
    old = sorted({g.gfx for g in s.gpus.amd} & {"gfx906", "gfx900"})
    if old:
        why = f"rocBLAS holds no kernels for {' and '.join(old)} from ROCm 6.4 on, although torch lists it: rocm6.3 is the last that works"
        said.append(("rocblas_dropped_gfx906", why))
    if not best.verified:
        said.append(
            (
                "",
                f"that it holds code for {', '.join(sorted(s.question.gfx))} was read in a build script, not measured",
            )
        )
    return said


def _about_python(q: Question, chosen: Release) -> list[Said]:
    """Say where a newer release has no wheel for this Python any more."""
    said: list[Said] = []
    for release, _ in allowed(q.torch):
        if release.parsed <= chosen.parsed:
            break
        tags = release.pythons.get(q.family, frozenset())
        if not tags or q.python in tags:
            continue
        if q.python == "3.13t":
            why = "free-threaded 3.13 ended with torch 2.12.0; 3.14t goes on"
            said.append(("free_threaded_313_dropped", why))
        elif parts(q.python) < min(parts(t) for t in tags):
            said.append(
                (
                    "python_old",
                    f"torch {release.version} has no wheel for Python {q.python} any more",
                )
            )
        break
    return said


def _about_system(s: Situation, chosen: Release | None) -> list[Said]:
    """Say where glibc, macOS or an Intel Mac keeps newer releases away."""
    q = s.question
    said: list[Said] = []
    newer = [r for r, _ in allowed(q.torch) if chosen is None or r.parsed > chosen.parsed]
    with_python = [r for r in newer if q.python in r.pythons.get(q.family, ())]
    if q.glibc != NEWEST and any(q.glibc < r.glibc.get(q.family, ()) for r in with_python):
        why = f"newer torch needs glibc 2.28; here is {s.machine.glibc}"
        if q.glibc < (2, 17):
            why = f"torch needs glibc 2.17, newer releases 2.28; here is {s.machine.glibc}"
        said.append(("glibc_too_old_for_newer", why))
    floors = [r.macos.get(q.python, ()) for r in with_python] if q.family == "macos_arm64" else []
    if late := [floor for floor in floors if q.macos < floor]:
        floor = ".".join(map(str, min(late)))
        said.append(
            (
                "macos_too_old_for_newer",
                f"newer torch needs macOS {floor}; here is {s.machine.macos}",
            )
        )
        if any(len(set(r.macos.values())) > 1 and q.macos < r.macos[q.python] for r in with_python):
            why = f"the wheels for Python {q.python} of that release are tagged macOS {floor}, those for older Pythons are not"
            said.append(("macos_tag", why))
    if q.family == "macos_x86_64" and chosen is not None and newer:
        said.append(_INTEL_MAC)
    return said


def _about_default(s: Situation, best: Found) -> list[Said]:
    """Say what a plain install from the default index would have given."""
    q, platform = s.question, s.machine.platform
    said: list[Said] = []
    gpu = best.variant not in ("cpu", "mps")
    default = best.release.default.get(q.family, "")
    if platform == "windows" and gpu:
        said.append(
            (
                "pypi_windows_is_cpu",
                "a plain install on Windows gives the CPU build, in every release",
            )
        )
    if q.family == "linux_aarch64" and gpu:
        if default == "cpu":
            why = f"a plain install of {best.release.version} on aarch64 gives the CPU build"
            said.append(("pypi_aarch64_is_cpu", why))
        if best.variant == "cu124":
            why = "the aarch64 files of cu124 carry no label: torch==2.5.1 from that index, never torch==2.5.1+cu124"
            said.append(("no_local_label_on_aarch64", why))
    if best.variant.startswith("cu") and default.startswith("cu"):
        build = next((b for b in best.release.cuda[q.family] if b.variant == default), None)
        if build is not None and not _serves(build, q):
            why = f"a plain install of {best.release.version} gives {default}, which holds no code for {_lacking(build, s)}"
            said.append(("gpu_not_in_pypi_build", why))
    newest = next((r for r, _ in allowed(q.torch) if q.python in r.pythons.get(q.family, ())), None)
    plain = newest.default.get(q.family, "") if newest else ""
    if s.gpus.nvidia and plain.startswith("cu13") and q.driver < (580,):
        why = f"a plain install gives {plain}, which needs driver 580; here is {s.machine.driver_version}"
        said.append(("pypi_default_needs_580", why))
    return said


def _opt_ins(s: Situation, found: Found) -> list[Said]:
    """Say what else a driver that is too old allows: cuda-compat on data-centre cards, asking on virtual ones."""
    said: list[Said] = []
    gpus = s.gpus.nvidia
    if any(is_vgpu(g) for g in gpus):
        said.append(
            ("vgpu_ask_admin", "the driver of a virtual GPU follows its host: ask who runs it")
        )
    if s.machine.platform == "linux" and gpus and all(is_data_centre(g) for g in gpus):
        cuda = found.variant.removeprefix("cu")
        if cuda.isdigit() and newest_driver(s.gpus) == NEWEST:
            why = f"where the driver cannot be changed, cuda-compat-{cuda[:-1]}-{cuda[-1]} lets these cards run {found.build}: an opt-in"
            said.append(("forward_compat_possible", why))
    return said


def _python_against_driver(s: Situation, ways: list[WayOut]) -> list[Said]:
    python = next(way for way in ways if way.action == "change_python")
    first = min(
        (r for r in releases() if s.question.python in r.pythons.get(s.question.family, ())),
        key=lambda r: r.parsed,
        default=None,
    )
    if first is None or python.found[0].release.parsed >= first.parsed:
        return []
    why = f"Python {s.question.python} has wheels from torch {first.version} on, none of which runs on driver {s.machine.driver_version}"
    return [("python_too_new_for_driver", why)]


def _no_python(s: Situation) -> list[Said]:
    q = s.question
    wanted = q.torch or "any release"
    tags = {t for r, _ in allowed(q.torch) for t in r.pythons.get(q.family, ())}
    said: list[Said] = [
        ("python_not_supported", f"torch {wanted} has no wheel for Python {q.python} here")
    ]
    if tags and parts(q.python) < min(parts(t) for t in tags):
        said.append(
            ("python_old", f"the oldest Python with wheels of it is {min(tags, key=parts)}")
        )
    if q.python == "3.13t":
        said.append(
            (
                "free_threaded_313_dropped",
                "free-threaded 3.13 ended with torch 2.12.0; 3.14t goes on",
            )
        )
    return said


def _has_python(q: Question) -> bool:
    return any(q.python in r.pythons.get(q.family, ()) for r, _ in allowed(q.torch))


def _about_code(s: Situation, first: WayOut) -> list[Said]:
    """Say where the releases asked for hold no code for a GPU, on any driver."""
    q = s.question
    builds = [b for r, _ in allowed(q.torch) for b in r.cuda.get(q.family, ())]
    lacking = sorted(c for c in q.capabilities if not any(_one(b, c) for b in builds))
    said: list[Said] = []
    if lacking and builds:
        names = _by_capability(s, lacking)
        said.append(
            ("gpu_not_in_this_build", f"no build of torch {q.torch} here holds code for {names}")
        )
        if q.family == "linux_aarch64":
            said.append(
                (
                    "gpu_not_in_aarch64_builds",
                    f"the aarch64 builds of it were not compiled for {names}",
                )
            )
    if lacking and first.action == "use_newer_torch":
        since = _first_release(lacking, q.family)
        why = f"{_by_capability(s, lacking)} is newer than torch {q.torch}: the first release with code for it is {since}"
        said.append(("gpu_too_new_for_torch", why))
    return said


def _first_release(capabilities: Iterable[str], family: str) -> str:
    wanted = frozenset(capabilities)
    for release in reversed(releases()):
        if any(serves(b.codes, wanted, b.cuda) for b in release.cuda.get(family, ())):
            return release.version
    return "none"


def _in_words(s: Situation, way: WayOut) -> str:
    build = way.found[0].build
    match way.action:
        case "upgrade_driver":
            return f"a newer driver gives {build}"
        case "change_python":
            return f"another Python gives {build} {way.after}"
        case "upgrade_os":
            return f"a newer system gives {build} {way.after}"
        case "fix_requirement":
            return f"{s.question.torch} names a variant that does not fit; {build} does"
        case _:
            return f"another release does: {build}"


def _driver_in_words(s: Situation, way: WayOut) -> str:
    have = s.machine.driver_version
    return f"driver {have} is too old for {way.found[0].build}: it runs {way.after}"


def _floor(found: Found, q: Question) -> str:
    for build in found.release.cuda.get(q.family, ()):
        if build.variant == found.variant:
            return floor_words(build.floor[q.windows])
    return ""


def _serves(build: CudaBuild, q: Question) -> bool:
    return serves(build.codes, q.capabilities, build.cuda)


def _one(build: CudaBuild, capability: str) -> bool:
    return serves(build.codes, frozenset({capability}), build.cuda)


def _major(build: CudaBuild) -> int:
    return parts(build.cuda)[0]


def _lacking(build: CudaBuild, s: Situation) -> str:
    return _by_capability(s, [c for c in s.gpus.capabilities if not _one(build, c)])


def _by_capability(s: Situation, capabilities: Iterable[str]) -> str:
    wanted = set(capabilities)
    names = dict.fromkeys(
        f"{g.name} ({g.compute_capability})"
        for g in s.gpus.nvidia
        if g.compute_capability in wanted
    )
    return " and ".join(names)
