"""What must be said of a build that fits: why it, why no newer one, what a plain install would have given."""

import re
from collections.abc import Iterable, Iterator

from tunedoctor.tables.wheels import Release
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Alternative, Said, say
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.pick import (
    NEWEST,
    TURING_ON,
    Found,
    allowed,
    dropped_by,
    first_release,
    fitting,
    in_none,
    native_gfx,
    newer_than,
    of_each,
    releases,
    serves,
    without_code,
)
from tunedoctor.wheels.situation import (
    Situation,
    affirmed,
    driver_needed,
    driver_words,
    is_data_centre,
    is_vgpu,
    names_of,
    newest_driver,
)

_COMPAT = (525,)
"""Drivers of CUDA 12, one major below what cuda-compat is offered for; nobody reports it on older ones."""
_ROCM = "linux_x86_64"
"""The one platform with ROCm builds on PyTorch's index."""


def about_release(s: Situation, best: Found) -> Iterator[Said]:
    """Yield what to say of a build that fits, the deciding sentence first."""
    q, kind, release = s.question, best.row.kind, best.release
    within = [one for one, _ in allowed(q.torch)]
    key = ":newest_in_range" if release is within[0] else ":newest_that_fits"
    key = ":newest" if release is releases()[0] else key
    served = {"cuda": s.gpus.nvidia, "rocm": s.gpus.amd, "xpu": s.gpus.intel}.get(kind, ())
    known = [g for g in served if g.target or g.vendor == "intel"]
    because = [f"holds code for {names_of(known)}"] if known else []
    because += [f"runs on {driver_words(s.machine)}"] if kind == "cuda" else []
    text = f": it {' and '.join(because)}" if because else ""
    key = ":in_one_release" if len(within) == 1 else key
    yield say(key, build=best.build, wanted=q.torch, because=text)
    if not best.row.seen or (not best.verified and kind == "cuda"):
        yield say(":not_seen", build=best.build)
    if unknown := [g for g in served if g not in known]:
        key = ":capability_unknown" if kind == "cuda" else ":gfx_unknown"
        yield say(key, gpus=names_of(unknown))
    if s.gpus.nvidia and kind == "cuda":
        yield from _on_cuda(s, best)
    if s.gpus.amd and kind == "rocm":
        yield from _without_kernels(s)
        if not best.verified and best.row.seen:
            yield say(":gfx_read", targets=", ".join(sorted(q.gfx)))
    tags = ((one.version, one.pythons(q.family)) for one in newer_than(release, q.torch))
    gone, left = next(((v, t) for v, t in tags if t and q.python not in t), ("", ()))
    if gone and q.python == "3.13t":
        yield say("free_threaded_313_dropped")
    elif gone and parts(q.python) < min(map(parts, left)):
        yield say("python_old", release=gone, python=q.python)
    yield from about_system(s, release)
    yield from _about_default(s, best)
    if release.numpy_abi.get(s.machine.system) == 1:
        yield say("numpy_lt_2", release=release.version)


def _on_cuda(s: Situation, best: Found) -> Iterator[Said]:
    """Say what a newer driver would give, and which newer builds lack code or were not read."""
    q = s.question
    if not best.native:
        have = driver_words(s.machine)
        yield say("not_native_for_this_toolkit", driver=have, variant=best.row.variant)
    if newer := _after_driver(s, best):
        need = driver_needed(s, newer)
        yield say("upgrade_driver_gives_newer_torch", build=newer.build, need=need)
        yield from opt_ins(s, newer)
    yield from _passed_over(s, best)
    yield from about_old_gpus(s)
    for one in newer_than(best.release, q.torch):  # seen on the index, and its code was not read
        builds = one.of(q.family, "cuda")
        if q.python in one.pythons(q.family) and builds and builds[-1].carried:
            yield say(":newer_unread", release=one.version)
            break


def further(s: Situation, best: Found) -> Iterator[Alternative]:
    """Yield the builds of other releases: after a newer driver, and those that are surer or newer than the best."""
    q, kind = s.question, best.row.kind
    if s.gpus.nvidia and kind == "cuda":
        if newer := _after_driver(s, best):
            yield Alternative(newer.build, driver_needed(s, newer))
            yield from _with_compat(s, best, newer)
        sure = next((one for one in of_each(q, kind) if one.verified), best)
        if not best.verified and sure.build != best.build:
            yield Alternative(sure.build, "whose publication was seen")
    if kind in ("rocm", "xpu"):
        newest = next(of_each(q, kind), None)  # the newest cards may want it
        if newest and newest.release in newer_than(best.release, q.torch):
            yield Alternative(newest.build, "whose publication was not seen")


def _after_driver(s: Situation, best: Found) -> Found | None:
    """Return the best build under the newest driver, where it is of a newer release."""
    q, limit = s.question, newest_driver(s.gpus.nvidia)
    newer = fitting(q._replace(driver=limit), "cuda") if q.driver < limit else ()
    return newer[0] if newer and newer[0].release.parsed > best.release.parsed else None


def virtual(machine: Machine, gpus: Iterable[Gpu]) -> bool:
    """Tell whether GPUs are virtual ones, by their names or by what is known of the machine."""
    told = any("vgpu" in key.lower() and affirmed(value) for key, value in machine.env.items())
    return told or any(is_vgpu(g) for g in gpus)


def opt_ins(s: Situation, found: Found) -> Iterator[Said]:
    """Say what else a driver that is too old allows: cuda-compat on data-centre cards, asking on virtual ones."""
    gpus, cuda = s.gpus.nvidia, found.row.cuda
    allowed_here = s.machine.platform == "linux" and gpus and all(map(is_data_centre, gpus))
    if virtual(s.machine, gpus):
        yield say("vgpu_ask_admin")
    elif not allowed_here or newest_driver(gpus) != NEWEST:
        return
    elif cuda and s.question.driver >= _COMPAT:
        yield say("forward_compat_possible", cuda=cuda.replace(".", "-"), build=found.build)


def _with_compat(s: Situation, best: Found, newer: Found) -> Iterator[Alternative]:
    """Yield what the cuda-compat library on the path opens: the newest build of a toolkit no newer than it."""
    paths = [value for value in s.machine.env.values() if "/compat" in value]
    if not paths or not all(map(is_data_centre, s.gpus.nvidia)):
        return
    build: Found | None = newer
    if found := re.search(r"cuda-(\d+\.\d+)/compat", " ".join(paths)):
        any_driver, toolkit = of_each(s.question._replace(driver=NEWEST), "cuda"), parts(found[1])
        build = next((b for b in any_driver if b.verified and b.row.toolkit <= toolkit), None)
    if build and build.release.parsed >= best.release.parsed and build.build != best.build:
        yield Alternative(build.build, "with cuda-compat kept on the path (opt-in)")


def about_old_gpus(s: Situation) -> Iterator[Said]:
    """Say where CUDA 13 builds, or all builds since some release, hold no code for a GPU."""
    q = s.question
    if lacking := [c for c in q.capabilities if in_none("cuda", c, q.family, q.torch, TURING_ON)]:
        others = any(not in_none("cuda", c, q.family, "", TURING_ON) for c in lacking)
        inside = f" of torch {q.torch}" if others else ""
        yield say("gpu_not_in_cuda13_builds", inside=inside, gpus=by_capability(s, lacking))
    for capability in sorted(q.capabilities):
        if ends := dropped_by(capability, q.family, q.torch):
            gone, last = ends
            key = "gpu_dropped_in_2_15" if gone.startswith("2.15.") else ":dropped"
            yield say(key, release=gone, gpus=by_capability(s, [capability]), last=last)


def about_code(s: Situation, *, newer: bool) -> Iterator[Said]:
    """Say where the releases asked for hold no code for a GPU, on any driver."""
    q = s.question
    lacking = sorted(c for c in q.capabilities if in_none("cuda", c, q.family, q.torch))
    arm, names = q.family == "linux_aarch64", by_capability(s, lacking)
    if lacking:
        yield say("gpu_not_in_this_build:range", wanted=q.torch, gpus=names)
        if arm:
            yield say("gpu_not_in_aarch64_builds", gpus=names)
        if newer:
            yield from _first_with(names, "cuda", frozenset(lacking), q.family)
        return
    inside = allowed(q.torch)
    if arm and inside and not any(r.of(q.family, "cuda") for r, _ in inside):
        yield say("pypi_aarch64_is_cpu:range", wanted=q.torch)
        yield say("gpu_not_in_aarch64_builds:no_cuda", gpus=names_of(s.gpus.nvidia))
    yield from _passed_over(s, None)


def about_gfx(s: Situation, *, newer: bool) -> Iterator[Said]:
    """Say where the releases asked for hold no code that runs on an AMD GPU."""
    q = s.question
    old = [*_without_kernels(s)]
    yield from old
    targets = {g: native_gfx(g.gfx) for g in s.gpus.amd if g.gfx}
    lacking = {g: t for g, t in targets.items() if in_none("rocm", t, _ROCM, q.torch)}
    names = names_of(lacking)
    if lacking and not old:
        inside = f" of torch {q.torch}" if q.torch else ""
        yield say("gpu_not_in_this_build:rocm", inside=inside, gpus=names)
    if lacking and newer:
        yield from _first_with(names, "rocm", frozenset(lacking.values()), _ROCM)


def _first_with(names: str, kind: str, wanted: frozenset[str], family: str) -> Iterator[Said]:
    """Say which torch was the first with code for GPUs."""
    if first := first_release(kind, wanted, family):
        yield say("gpu_too_new_for_torch", gpus=names, release=first)


def _without_kernels(s: Situation) -> Iterator[Said]:
    if old := sorted({g.gfx for g in s.gpus.amd} & {"gfx906", "gfx900"}):
        yield say("rocblas_dropped_gfx906", targets=" and ".join(old))


def by_capability(s: Situation, capabilities: Iterable[str]) -> str:
    """Return the names of the GPUs with these compute capabilities."""
    wanted = set(capabilities)
    names = dict.fromkeys(
        g.name if g.compute_capability in g.name else f"{g.name} ({g.compute_capability})".strip()
        for g in s.gpus.nvidia
        if g.compute_capability in wanted
    )
    return " and ".join(names)


def _passed_over(s: Situation, best: Found | None) -> Iterator[Said]:
    """Say which build, newer in release or CUDA than the choice and open to this driver, lacks code for a GPU."""
    q = s.question
    for release, build in without_code(q.capabilities, q.family, q.torch, q.python):
        if q.driver < build.drivers[q.windows]:
            continue
        if best is None or release.parsed > best.release.parsed or build.toolkit > best.row.toolkit:
            lacking = [c for c in q.capabilities if not serves(build, frozenset({c}))]
            name = f"{release.version}+{build.variant}"
            yield say("gpu_not_in_this_build", build=name, gpus=by_capability(s, lacking))
            return


def about_system(s: Situation, chosen: Release | None) -> Iterator[Said]:
    """Say where glibc, macOS or an Intel Mac keeps newer releases away."""
    q = s.question
    glibc, macos = s.machine.glibc, s.machine.macos
    newer = newer_than(chosen, q.torch)
    floors = [(r, r.floor(q.family, q.python)) for r in newer if q.python in r.pythons(q.family)]
    if q.glibc != NEWEST and any(q.glibc < floor for _, floor in floors):
        key = "glibc_too_old_for_newer"
        yield say("glibc_too_old_for_newer:old" if q.glibc < (2, 17) else key, glibc=glibc)
    elif build := _of_newer_glibc(s, chosen):
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


def _of_newer_glibc(s: Situation, chosen: Release | None) -> str:
    """Return a CUDA build of the releases in question that glibc alone keeps away; "" where there is none."""
    q = s.question
    for release, labels in allowed(q.torch) if s.gpus.nvidia and q.glibc != NEWEST else ():
        for build in release.of(q.family, "cuda") if chosen in (None, release) else ():
            named = labels is None or build.variant in labels
            if named and q.glibc < build.system and q.driver >= build.drivers[q.windows]:
                return f"{release.version}+{build.variant}"
    return ""


def _about_default(s: Situation, best: Found) -> Iterator[Said]:
    """Say what a plain install from the default index would have given."""
    q, release = s.question, best.release
    gpu = best.row.kind != "cpu"
    default = release.pypi_default.get(q.family, "")
    if s.machine.platform == "windows" and gpu:
        yield say("pypi_windows_is_cpu")
    if q.family == "linux_aarch64" and gpu:
        if default == "cpu":
            yield say("pypi_aarch64_is_cpu", release=release.version)
        if best.row.variant == "cu124":
            yield say("no_local_label_on_aarch64", bare=f"=={release.version}")
    build = release.build(q.family, default) if best.row.kind == "cuda" else None
    if build and (lacking := [c for c in q.capabilities if not serves(build, frozenset({c}))]):
        names, key = by_capability(s, lacking), "gpu_not_in_pypi_build"
        yield say(key, release=release.version, variant=default, gpus=names)
    newest = next((r for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)), None)
    plain = newest.pypi_default.get(q.family, "") if newest else ""
    if s.gpus.nvidia and plain.startswith("cu13") and q.driver < (580,):
        yield say("pypi_default_needs_580", variant=plain, driver=driver_words(s.machine))
