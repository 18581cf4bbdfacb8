"""Messages that accompany a choice: about the GPUs, the driver, the installer, and a build that fits.

The sentences, and conditions and order of most, are rows of wheel_words.json; this module computes their slots.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from tunedoctor.model.versions import parts
from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import Release, releases
from tunedoctor.wheels import pick, situation
from tunedoctor.wheels.pick import (
    KINDS,
    NEWEST,
    Alternative,
    FittingBuild,
    Said,
    allowed,
    fitting,
    say,
)
from tunedoctor.wheels.rules import last_driver
from tunedoctor.wheels.situation import Situation, driver_words, is_data_centre, names_of

_OPTIONS = re.compile(
    r"--(?:extra-)?index-url|--index\b|--default-index|--find-links|tool\.uv\.index|(?<!\S)-[if](?=\s)"
)
_COMPAT = (525,)
"""Drivers of CUDA 12, one major below those that cuda-compat is offered for; no report mentions it on older ones."""
Slots = dict[str, object]


def _all_of(topic: str, slots: Slots) -> Iterator[Said]:
    for key, *conditions in table("wheel_words")["topics"][topic]:
        if all(slots[condition] for condition in conditions):
            yield say(key, **slots)


def about_gpus(s: Situation) -> Iterator[Said]:
    """Yield the messages about the machine's GPUs, whatever was chosen."""
    gpus, machine, out = s.gpus, s.machine, s.gpus.out
    platform, driver = machine.platform, machine.driver_version
    waiting = situation.of_nvidia(out(*situation.NOT_DRIVEN))
    nvidia_gpus = (*gpus.nvidia, *waiting)
    working = gpus.nvidia or gpus.amd or gpus.intel
    mixed = bool(gpus.nvidia and waiting)
    unlike = len({g.compute_capability for g in nvidia_gpus}) > 1
    no_xpu = names_of(out("not xpu"))
    amd = gpus.amd if platform == "linux" else ()
    overridden = [g for g in amd if pick.override_of(g.gfx)]
    variables = situation.override_of_all(amd) if overridden else {}
    values = " ".join(f"{name}={value}" for name, value in variables.items())
    # without a usable GPU: in a container it may be outside
    alone = situation.in_container(s) or (driver and not waiting)
    kept_out = working or situation.of_nvidia(out("excluded", "not supported"))
    ended = [g for g in out("driver too new") if last_driver(g.compute_capability) == "580"]
    outside = alone and not kept_out and platform != "macos"
    slots: Slots = {
        "driver": driver,
        "unsupported": names_of(out("not supported")),
        "left_out": names_of(out("excluded", "integrated")),
        "no_xpu": no_xpu,
        "no_xpu_beside": no_xpu and working,
        "no_xpu_alone": no_xpu and not working,
        "dropped": names_of(ended),
        "wsl": platform == "wsl" and nvidia_gpus,
        "new": names_of(g for g in nvidia_gpus if parts(g.compute_capability) >= (10, 0)),
        "old": names_of(g for g in nvidia_gpus if last_driver(g.compute_capability)),
        "linux": platform == "linux",
        "driven": names_of(gpus.nvidia),
        "waiting": names_of(waiting),
        "unlike": mixed and unlike,
        "alike": mixed and not unlike,
        "undriven": not driver and (gpus.amd or gpus.intel),
        "kfd": names_of(amd)
        if machine.rocm_tools is False or any("kfd" in g.seen_by.lower() for g in amd)
        else "",
        "overridden": names_of(overridden),
        "values": values,
        "nodes": " (the number is the GPU's Node in rocminfo)" if "VERSION_" in values else "",
        "outside": outside and not driver and platform != "windows",
        "driver_outside": outside and driver and platform != "windows",
        "driver_windows": outside and platform == "windows",
    }
    yield from _all_of("gpus", slots)
    if not mixed and len(s.question.capabilities) > 1:
        yield _together(s, "nvidia")
    yield from _all_of("waiting", slots)
    if amd and len(s.question.gfx) > 1:
        yield _together(s, "amd")
    yield from _all_of("amd", slots)


def _together(s: Situation, vendor: str) -> Said:
    """Return which GPU forces the choice, if another one alone would have got a newer release."""
    gpus, kind = s.gpus.of(vendor), KINDS[vendor]
    alone = {g.target: fitting(s.question.about(vendor, [g]), kind) for g in gpus if g.target}
    newest = max((builds[0].release.parsed for builds in alone.values() if builds), default=None)
    best = {t for t, builds in alone.items() if builds and builds[0].release.parsed == newest}
    forcing = [g for g in gpus if g.target not in best]
    names = names_of(forcing)
    key = "mixed_gpus:some" if " and " in names else "mixed_gpus:one"
    if not fitting(s.question, kind):
        key, names = "mixed_gpus:none", names_of(gpus)
    elif not forcing or len(forcing) == len(gpus):
        key, names = "mixed_gpus:all", names_of(gpus)
    return say(key, gpus=names)


def about_settings(s: Situation, torchvision: str) -> Iterator[Said]:
    """Yield what could mislead: installer options, nvcc, cuda-compat, torchvision's Pythons."""
    env, installer, driver = s.machine.env, s.machine.installer, s.machine.driver_version
    uv, text = installer.get("tool", "").lower() == "uv", " ".join(installer.values())
    options = _OPTIONS.findall(text)
    variables = {key.upper(): value for key, value in env.items()}
    pip_extra, pip_index = (variables.get(f"PIP_{n}INDEX_URL", "") for n in ("EXTRA_", ""))
    uv_extra = variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL")
    extra = not uv and ("--extra-index-url" in options or "EXTRA_INDEX" in text)
    compat_sign = _compat(s) if driver else ""
    fails = s.gpus.nvidia and not all(map(is_data_centre, s.gpus.nvidia))
    python = next((v for k, v in env.items() if k.lower().startswith("python_full")), "")
    is_3_14_1 = s.question.python == "3.14" and parts(python or s.machine.python) == (3, 14, 1)
    slots: Slots = {
        "uv_index": (uv and options) or uv_extra,
        "extra_index": pip_extra or extra,
        "one_index": options or pip_extra or "download.pytorch.org/whl" in pip_index,
        "toolkit": any(named_as("toolkit_keys", key) for key in env),
        "shown": compat_sign,
        "fails": fails,
        "serves": not fails,
        "driver": driver,
        "gpus": names_of(s.gpus.nvidia),
        "virtual": situation.virtual(s.machine, ()),
        "python_3_14_1": is_3_14_1 and (0, 26) <= parts(torchvision)[:2] <= (0, 29),
    }
    return _all_of("beside", slots)


def _compat(s: Situation) -> str:
    """Return how cuda-compat shows: on the library path, or by a CUDA number that the driver lacks; else ""."""
    env = s.machine.env
    if any(named_as("compat", value) for value in env.values()):
        return "a cuda-compat library is on the library path, so nvidia-smi shows its CUDA number"
    cuda_shown = next((v for k, v in env.items() if "smi_cuda" in k.lower()), "")
    rows = table("torch_wheels")["cuda"]["driver_branches"] if s.machine.platform == "linux" else ()
    for row in rows if parts(cuda_shown) else ():
        row_known = (
            row.get("confidence") != "unverified" and (row["branch"],) == s.question.driver[:1]
        )
        most = str(row["max_cuda"])
        if row_known and parts(cuda_shown) > parts(most):
            observed = (
                f"nvidia-smi shows CUDA {cuda_shown}, but this driver supports {most} at most"
            )
            return f"{observed}, so a cuda-compat library is in use"
    return ""


def about_release(s: Situation, best: FittingBuild) -> Iterator[Said]:
    """Yield the messages about a build that fits, the deciding one first."""
    q, kind, release = s.question, best.row.kind, best.release
    within = [candidate for candidate, _ in allowed(q.torch)]
    key = ":newest_in_range" if release is within[0] else ":newest_that_fits"
    key = ":newest" if release is releases()[0] else key
    key = ":in_one_release" if len(within) == 1 else key
    served = {"cuda": s.gpus.nvidia, "rocm": s.gpus.amd, "xpu": s.gpus.intel}.get(kind, ())
    known_gpus = [g for g in served if g.target or g.vendor == "intel"]
    because = [f"has code for {names_of(known_gpus)}"] if known_gpus else []
    because += [f"runs on {driver_words(s.machine)}"] if kind == "cuda" else []
    text = f": it {' and '.join(because)}" if because else ""
    yield say(key, build=best.build, wanted=q.torch, because=text)
    unknown = names_of(g for g in served if g not in known_gpus)
    slots: Slots = {
        "build": best.build,
        "unseen": not best.row.seen or (not best.verified and kind == "cuda"),
        "gpus": unknown,
        "cuda": unknown and kind == "cuda",
        "rocm": unknown and kind != "cuda",
    }
    yield from _all_of("build", slots)
    if s.gpus.nvidia and kind == "cuda":
        yield from _on_cuda(s, best)
    if s.gpus.amd and kind == "rocm":
        yield from _without_kernels(s)
        if not best.verified and best.row.seen:
            yield say(":gfx_read", targets=", ".join(sorted(q.gfx)))
    newer_releases = (
        (newer_release.version, newer_release.pythons(q.family))
        for newer_release in pick.newer_than(release, q.torch)
    )
    dropped_in, remaining_pythons = next(
        ((v, t) for v, t in newer_releases if t and q.python not in t), ("", ())
    )
    if dropped_in and q.python == "3.13t":
        yield say("free_threaded_313_dropped")
    elif dropped_in and parts(q.python) < min(map(parts, remaining_pythons)):
        yield say("python_old", release=dropped_in, python=q.python)
    yield from about_system(s, release)
    yield from _about_default(s, best)
    if release.numpy_abi.get(s.machine.system) == 1:
        yield say("numpy_lt_2", release=release.version)


def _on_cuda(s: Situation, best: FittingBuild) -> Iterator[Said]:
    """Yield what a newer driver would allow, and which newer builds lack code or were not examined."""
    q = s.question
    if not best.native:
        have = driver_words(s.machine)
        yield say("not_native_for_this_toolkit", driver=have, variant=best.row.variant)
    if newer := _after_driver(s, best):
        need = situation.driver_needed(s, newer)
        yield say("upgrade_driver_gives_newer_torch", build=newer.build, need=need)
        yield from opt_ins(s, newer)
    yield from _passed_over(s, best)
    yield from about_old_gpus(s)
    for newer_release in pick.newer_than(best.release, q.torch):  # on the index, code not examined
        builds = newer_release.of(q.family, "cuda")
        if q.python in newer_release.pythons(q.family) and builds and builds[-1].carried:
            yield say(":newer_unread", release=newer_release.version)
            break


def further(s: Situation, best: FittingBuild) -> Iterator[Alternative]:
    """Yield builds of other releases: after a newer driver, and those that are more certain or newer than the best."""
    q, kind = s.question, best.row.kind
    if s.gpus.nvidia and kind == "cuda":
        if newer := _after_driver(s, best):
            yield Alternative(newer.build, situation.driver_needed(s, newer))
            yield from _with_compat(s, best, newer)
        sure = next((candidate for candidate in pick.of_each(q, kind) if candidate.verified), best)
        if not best.verified and sure.build != best.build:
            yield Alternative(sure.build, "(confirmed to be on the index)")
    if kind in ("rocm", "xpu"):
        newest = next(pick.of_each(q, kind), None)  # the newest cards may need it
        if newest and newest.release in pick.newer_than(best.release, q.torch):
            yield Alternative(newest.build, "(not confirmed to be on the index)")


def _after_driver(s: Situation, best: FittingBuild) -> FittingBuild | None:
    """Return the best build with the newest driver, if its release is newer."""
    q, limit = s.question, situation.newest_driver(s.gpus.nvidia)
    newer = fitting(q._replace(driver=limit), "cuda") if q.driver < limit else ()
    return newer[0] if newer and newer[0].release.parsed > best.release.parsed else None


def opt_ins(s: Situation, build: FittingBuild) -> Iterator[Said]:
    """Yield what else a driver that is too old allows: cuda-compat on data-centre cards, asking on virtual ones."""
    gpus, cuda = s.gpus.nvidia, build.row.cuda
    real = s.machine.platform == "linux" and gpus and all(map(is_data_centre, gpus))
    if situation.virtual(s.machine, gpus):
        yield say("vgpu_ask_admin")
    elif real and situation.newest_driver(gpus) == NEWEST and cuda and s.question.driver >= _COMPAT:
        yield say("forward_compat_possible", cuda=cuda.replace(".", "-"), build=build.build)


def _with_compat(s: Situation, best: FittingBuild, newer: FittingBuild) -> Iterator[Alternative]:
    """Yield what the cuda-compat library on the path allows: the newest build of a toolkit no newer than it."""
    paths = [value for value in s.machine.env.values() if "/compat" in value]
    if not paths or not all(map(is_data_centre, s.gpus.nvidia)):
        return
    build: FittingBuild | None = newer
    if match := re.search(r"cuda-(\d+\.\d+)/compat", " ".join(paths)):
        any_driver = pick.of_each(s.question._replace(driver=NEWEST), "cuda")
        fits = (b for b in any_driver if b.verified and b.row.toolkit <= parts(match[1]))
        build = next(fits, None)
    if build and build.release.parsed >= best.release.parsed and build.build != best.build:
        yield Alternative(build.build, "with cuda-compat kept on the path (opt-in)")


def about_old_gpus(s: Situation) -> Iterator[Said]:
    """Yield the GPUs for which CUDA 13 builds, or all builds since some release, have no code."""
    q, where = s.question, s.question.family
    turing_on = (13,)  # CUDA whose builds start at Turing
    lacking = [c for c in q.capabilities if pick.in_none("cuda", c, where, q.torch, turing_on)]
    if lacking:
        others = any(not pick.in_none("cuda", c, where, "", turing_on) for c in lacking)
        range_words = f" of torch {q.torch}" if others else ""
        yield say("gpu_not_in_cuda13_builds", inside=range_words, gpus=by_capability(s, lacking))
    for capability in sorted(q.capabilities):
        if dropped := pick.dropped_by(capability, where, q.torch):
            dropped_in, last = dropped
            key = "gpu_dropped_in_2_15" if dropped_in.startswith("2.15.") else ":dropped"
            yield say(key, release=dropped_in, gpus=by_capability(s, [capability]), last=last)


def about_code(s: Situation, kind: str, *, newer: bool) -> Iterator[Said]:
    """Yield reasons about GPUs for which the requested releases have no code of this kind, on any driver."""
    q, rocm = s.question, kind == "rocm"
    old = [*_without_kernels(s)] if rocm else []
    yield from old
    family = "linux_x86_64" if rocm else q.family  # the only platform with ROCm builds
    gpus = s.gpus.amd if rocm else s.gpus.nvidia
    targets = {g: pick.native_gfx(g.gfx) if rocm else g.target for g in gpus if g.target}
    lacking = {g: t for g, t in targets.items() if pick.in_none(kind, t, family, q.torch)}
    names = names_of(lacking) if rocm else by_capability(s, lacking.values())
    key, arm = "gpu_not_in_this_build", family == "linux_aarch64"
    range_words = f" of torch {q.torch}" if q.torch else ""
    if lacking and not old:
        yield say(
            f"{key}:{'rocm' if rocm else 'range'}", inside=range_words, wanted=q.torch, gpus=names
        )
    if lacking and arm:
        yield say("gpu_not_in_aarch64_builds", gpus=names)
    missing_targets = frozenset(lacking.values())
    candidates = reversed(releases() if lacking and newer else ())
    first = (
        r for r in candidates if any(pick.serves(b, missing_targets) for b in r.of(family, kind))
    )
    for release in islice(first, 1):
        yield say("gpu_too_new_for_torch", gpus=names, release=release.version)
    if lacking or rocm:
        return
    within = allowed(q.torch)
    if arm and within and not any(r.of(family, "cuda") for r, _ in within):
        yield say("pypi_aarch64_is_cpu:range", wanted=q.torch)
        yield say("gpu_not_in_aarch64_builds:no_cuda", gpus=names_of(gpus))
    yield from _passed_over(s, None)


def _without_kernels(s: Situation) -> Iterator[Said]:
    if old := sorted({g.gfx for g in s.gpus.amd} & {"gfx906", "gfx900"}):
        yield say("rocblas_dropped_gfx906", targets=" and ".join(old))


def by_capability(s: Situation, capabilities: Iterable[str]) -> str:
    """Return the names of the GPUs with these compute capabilities."""
    requested = set(capabilities)
    pairs = [(g.name, g.compute_capability) for g in s.gpus.nvidia]
    names = (n if c in n else f"{n} ({c})".strip() for n, c in pairs if c in requested)
    return " and ".join(dict.fromkeys(names))


def _passed_over(s: Situation, best: FittingBuild | None) -> Iterator[Said]:
    """Yield builds that are newer than the choice and run on this driver, but lack code for a GPU."""
    q = s.question
    for release, build in pick.without_code(q.capabilities, q.family, q.torch, q.python):
        if q.driver < build.drivers[q.windows]:
            continue
        if best is None or release.parsed > best.release.parsed or build.toolkit > best.row.toolkit:
            name = f"{release.version}+{build.variant}"
            lacking = pick.lacking(build, q.capabilities)
            yield say("gpu_not_in_this_build", build=name, gpus=by_capability(s, lacking))
            return


def about_system(s: Situation, chosen: Release | None) -> Iterator[Said]:
    """Yield messages if glibc, macOS or an Intel Mac prevents newer releases."""
    q = s.question
    glibc, macos = s.machine.glibc, s.machine.macos
    newer = pick.newer_than(chosen, q.torch)
    # a CUDA build of the releases in question that only glibc prevents
    kept_away = (
        f"{release.version}+{b.variant}"
        for release, labels in (allowed(q.torch) if s.gpus.nvidia and q.glibc != NEWEST else ())
        for b in (release.of(q.family, "cuda") if chosen in (None, release) else ())
        if labels is None or b.variant in labels
        if q.glibc < b.system and q.driver >= b.drivers[q.windows]
    )
    floors = [(r, r.floor(q.family, q.python)) for r in newer if q.python in r.pythons(q.family)]
    if q.glibc != NEWEST and any(q.glibc < floor for _, floor in floors):
        key = "glibc_too_old_for_newer"
        yield say("glibc_too_old_for_newer:old" if q.glibc < (2, 17) else key, glibc=glibc)
    elif build := next(kept_away, ""):
        yield say("glibc_too_old_for_newer:build", build=build, glibc=glibc)
    late = [(r, floor) for r, floor in floors if q.macos < floor]
    if q.family == "macos_arm64" and late:
        lowest = ".".join(map(str, min(floor for _, floor in late)))
        yield say("macos_too_old_for_newer", floor=lowest, macos=macos)
        for release, own in late:
            if min(b.system for b in release.of(q.family, "cpu")) <= q.macos:
                tag, version = ".".join(map(str, own)), release.version
                yield say("macos_tag", release=version, python=q.python, floor=tag)
                break
    if q.family == "macos_x86_64" and chosen is not None and newer:
        yield say("intel_mac_ended")


def _about_default(s: Situation, best: FittingBuild) -> Iterator[Said]:
    """Yield what a plain install from the default index would have given."""
    q, release, gpu = s.question, best.release, best.row.kind != "cpu"
    default = release.pypi_default.get(q.family, "")
    build = release.build(q.family, default) if best.row.kind == "cuda" else None
    newest = next((r for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)), None)
    plain = newest.pypi_default.get(q.family, "") if newest else ""
    arm = q.family == "linux_aarch64" and gpu
    slots: Slots = {
        "windows": s.machine.platform == "windows" and gpu,
        "release": release.version,
        "arm_cpu": arm and default == "cpu",
        "arm_cu124": arm and best.row.variant == "cu124",
        "bare": f"=={release.version}",
        "default": default,
        "gpus": by_capability(s, pick.lacking(build, q.capabilities)) if build else "",
        "newer_default": s.gpus.nvidia and plain.startswith("cu13") and q.driver < (580,),
        "variant": plain,
        "driver": driver_words(s.machine) if s.machine.driver_version else "",
    }
    return _all_of("default", slots)
