"""What must be said of a CUDA choice: driver against toolkit, code against GPU."""

import re
from collections.abc import Iterable

from tunedoctor.tables.wheels import Build, Numbers
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Alternative, Said
from tunedoctor.wheels.coverage import (
    TURING_ON,
    build_of,
    dropped_by,
    first_release,
    holds,
    in_none,
    without_code,
)
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.pick import NEWEST, Found, Question, allowed, pick_cuda
from tunedoctor.wheels.situation import (
    Situation,
    driver_words,
    floor_words,
    names_of,
    newest_driver,
)
from tunedoctor.wheels.targets import is_data_centre, is_vgpu

_COMPAT = (525,)
"""Drivers of CUDA 12, one major below what cuda-compat is offered for; nobody reports it on older ones."""
ASK_ADMIN: Said = (
    "vgpu_ask_admin",
    "the driver of a virtual GPU follows its host: ask who runs it",
)


def virtual(machine: Machine, gpus: Iterable[Gpu]) -> bool:
    """Tell whether GPUs are virtual ones, by their names or by what is known of the machine."""
    told = any(
        "vgpu" in key.lower() and value.strip().lower() not in ("", "0", "false", "no", "none")
        for key, value in machine.env.items()
    )
    return told or any(is_vgpu(g) for g in gpus)


def about_cuda(s: Situation, best: Found) -> tuple[list[Said], list[Alternative]]:
    """Return what to say of a CUDA build that fits, and what a newer driver would give."""
    q = s.question
    said: list[Said] = []
    more: list[Alternative] = []
    if not best.native:
        why = (
            f"{driver_words(s.machine)} is older than the toolkit of {best.variant}: it runs by CUDA's "
            "minor version compatibility"
        )
        said.append(("not_native_for_this_toolkit", why))
    limit = newest_driver(s.gpus)
    newer = pick_cuda(q._replace(driver=limit)) if q.driver < limit else ()
    if newer and newer[0].release.parsed > best.release.parsed:
        upto = f", up to branch {limit[0]}" if limit != NEWEST else ""
        need = f"with driver {driver_floor(newer[0], q)} or newer{upto}"
        said.append(("upgrade_driver_gives_newer_torch", f"it would be {newer[0].build} {need}"))
        more.append(Alternative(newer[0].build, need))
        said += opt_ins(s, newer[0])
        more += _with_compat(s, best, newer[0])
    said += [*_passed_over(s, best), *about_old_gpus(s)]
    if not best.verified and (sure := _verified(q)) and sure.build != best.build:
        more.append(Alternative(sure.build, "whose publication was seen"))
    return said, more


def _with_compat(s: Situation, best: Found, newer: Found) -> list[Alternative]:
    """Return what the cuda-compat library on the path opens: the newest build of a toolkit no newer than it."""
    paths = [value for value in s.machine.env.values() if "/compat" in value]
    if not paths or not all(is_data_centre(g) for g in s.gpus.nvidia):
        return []
    found = re.search(r"cuda-(\d+\.\d+)/compat", " ".join(paths))
    build = _up_to(s.question, parts(found[1])) if found else newer
    if build is None or build.release.parsed < best.release.parsed or build.build == best.build:
        return []
    return [Alternative(build.build, "with cuda-compat kept on the path (opt-in)")]


def _up_to(q: Question, toolkit: Numbers) -> Found | None:
    for release, _ in allowed(q.torch):
        for found in pick_cuda(q._replace(torch=f"=={release.version}", driver=NEWEST)):
            if found.verified and found.row.toolkit <= toolkit:
                return found
    return None


def about_old_gpus(s: Situation) -> list[Said]:
    """Say where CUDA 13 builds, or all builds since some release, hold no code for a GPU."""
    q = s.question
    said: list[Said] = []
    lacking = [
        c for c in s.question.capabilities if in_none("cuda", c, q.family, q.torch, TURING_ON)
    ]
    if lacking:
        within = (
            f" of torch {q.torch}"
            if any(not in_none("cuda", c, q.family, "", TURING_ON) for c in lacking)
            else ""
        )
        why = f"no CUDA 13 build{within} holds code for {by_capability(s, lacking)}"
        said.append(("gpu_not_in_cuda13_builds", why))
    for capability in sorted(s.question.capabilities):
        if ends := dropped_by(capability, q.family, q.torch):
            gone, last = ends
            name = by_capability(s, [capability])
            why = f"torch {gone.version} has no build with code for {name}: {last.version} is the last with one"
            said.append(("gpu_dropped_in_2_15" if gone.version.startswith("2.15.") else "", why))
    return said


def about_code(s: Situation, *, newer: bool) -> list[Said]:
    """Say where the releases asked for hold no code for a GPU, on any driver."""
    q = s.question
    lacking = sorted(c for c in q.capabilities if in_none("cuda", c, q.family, q.torch))
    if not lacking:
        return [*about_no_cuda(s), *_passed_over(s, None)]
    names = by_capability(s, lacking)
    said: list[Said] = [
        ("gpu_not_in_this_build", f"no build of torch {q.torch} here holds code for {names}")
    ]
    if q.family == "linux_aarch64":
        why = f"its aarch64 builds were not compiled for {names}"
        said.append(("gpu_not_in_aarch64_builds", why))
    first = first_release("cuda", frozenset(lacking), q.family)
    if newer and first:
        why = f"the first torch with code for {names} is {first}"
        said.append(("gpu_too_new_for_torch", why))
    return said


def about_no_cuda(s: Situation) -> list[Said]:
    """Say where the releases asked for have no CUDA build for aarch64 at all."""
    q = s.question
    inside = allowed(q.torch)
    if q.family != "linux_aarch64" or not inside or any(r.of(q.family, "cuda") for r, _ in inside):
        return []
    names = names_of(s.gpus.nvidia)
    why = f"torch {q.torch} has no CUDA build for aarch64, and what a plain install gives there is the CPU build"
    return [
        ("pypi_aarch64_is_cpu", why),
        ("gpu_not_in_aarch64_builds", f"it holds no code for {names}"),
    ]


def opt_ins(s: Situation, found: Found) -> list[Said]:
    """Say what else a driver that is too old allows: cuda-compat on data-centre cards, asking on virtual ones."""
    said: list[Said] = []
    gpus = s.gpus.nvidia
    if virtual(s.machine, gpus):
        said.append(ASK_ADMIN)
    elif s.machine.platform == "linux" and gpus and all(is_data_centre(g) for g in gpus):
        cuda = found.variant.removeprefix("cu")
        if cuda.isdigit() and s.question.driver >= _COMPAT and newest_driver(s.gpus) == NEWEST:
            why = (
                f"where the driver cannot be changed, cuda-compat-{cuda[:-1]}-{cuda[-1]} lets these cards run "
                f"{found.build}: an opt-in"
            )
            said.append(("forward_compat_possible", why))
    return said


def about_default_build(s: Situation, best: Found, default: str) -> list[Said]:
    """Say where the default index's build of the chosen release holds no code for a GPU."""
    build = build_of(best.release, s.question.family, default)
    lacking = [c for c in s.question.capabilities if build and not holds(build, c)]
    if not lacking:
        return []
    names = by_capability(s, lacking)
    why = f"a plain install of {best.release.version} gives {default}, which holds no code for {names}"
    return [("gpu_not_in_pypi_build", why)]


def driver_floor(found: Found, q: Question) -> str:
    """Return the oldest driver for a CUDA build, in words."""
    floor = found.row.drivers[q.windows]
    return floor_words(floor) if floor else ""


def by_capability(s: Situation, capabilities: Iterable[str]) -> str:
    """Return the names of the GPUs with these compute capabilities."""
    wanted = set(capabilities)
    names = dict.fromkeys(
        g.name if g.compute_capability in g.name else f"{g.name} ({g.compute_capability})".strip()
        for g in s.gpus.nvidia
        if g.compute_capability in wanted
    )
    return " and ".join(names)


def _passed_over(s: Situation, best: Found | None) -> list[Said]:
    """Say which build, newer in release or CUDA than the choice and open to this driver, lacks code for a GPU."""
    q = s.question
    for release, build in without_code(q.capabilities, q.family, q.torch, q.python):
        if q.driver < build.drivers[q.windows]:
            continue
        if best is None or release.parsed > best.release.parsed or build.toolkit > best.row.toolkit:
            why = f"{release.version}+{build.variant} holds no code for {_lacking(build, s)}"
            return [("gpu_not_in_this_build", why)]
    return []


def _verified(q: Question) -> Found | None:
    """Return the newest build that rests on verified rows alone."""
    for release, _ in allowed(q.torch):
        for found in pick_cuda(q._replace(torch=f"=={release.version}")):
            if found.verified:
                return found
    return None


def _lacking(build: Build, s: Situation) -> str:
    return by_capability(s, [c for c in s.question.capabilities if not holds(build, c)])
