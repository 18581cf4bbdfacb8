"""Machines whose NVIDIA GPUs no driver drives: what to do about the driver first."""

import re

from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Choice, Said
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import NEWEST, Found, Question, offered, pick_cuda, pick_rocm
from tunedoctor.wheels.say_cuda import ASK_ADMIN, virtual
from tunedoctor.wheels.situation import Situation, family_of, floor_words, names_of
from tunedoctor.wheels.targets import NOT_DRIVEN, Targets, first_driver, last_driver


def undriven(s: Situation) -> Choice | None:
    """Return the answer where NVIDIA GPUs are there but none is driven; None where there are none."""
    for why, answer in (
        ("driver too new", _downgrade),
        ("driver too old", _upgrade),
        ("open module", _other_module),
        ("no driver", _missing),
    ):
        gpus = tuple(g for g in s.gpus.out(why) if g.vendor == "nvidia")
        if gpus:
            return answer(s, gpus)
    amd = tuple(g for g in s.gpus.out("no driver") if g.vendor == "amd")
    return _without_amdgpu(s, amd) if amd and not in_container(s) else None


def in_container(s: Situation) -> bool:
    """Tell whether what is known of the environment names a container."""
    return any(
        re.search(
            r"container|docker|podman|kubernetes|apptainer|lxc", f"{key} {value}", re.IGNORECASE
        )
        and value.strip().lower() not in ("", "0", "false", "no", "none")
        for key, value in s.machine.env.items()
    )


def _downgrade(s: Situation, gpus: tuple[Gpu, ...]) -> Choice:
    last = min((last_driver(g.compute_capability) for g in gpus), default="")
    driver = s.machine.driver_version
    why = (
        f"driver {driver} does not drive the {names_of(gpus)}: branch {last} is the last that does"
    )
    return Choice.of(
        "downgrade_driver",
        [("driver_590_dropped_this_gpu" if last == "580" else "", why)],
        offered(_pick(s, gpus), f"with driver branch {last}"),
    )


def _upgrade(s: Situation, gpus: tuple[Gpu, ...]) -> Choice:
    windows = s.question.windows
    firsts = [first_driver(g.compute_capability, windows=windows) for g in gpus]
    floor = max(firsts, key=parts, default="")
    found = _pick(s, gpus)
    needed = parts(floor)
    if found:
        needed = max(needed, found[0].row.drivers[windows])
    said: list[Said] = [
        (
            "upgrade_driver",
            f"the {names_of(gpus)} needs driver {floor} or newer; here is {s.machine.driver_version}",
        )
    ]
    if virtual(s.machine, gpus):
        said.append(ASK_ADMIN)
    after = f"with driver {floor_words(needed)} or newer"
    return Choice.of("upgrade_driver", said, offered(found, after))


def _other_module(s: Situation, gpus: tuple[Gpu, ...]) -> Choice:
    why = (
        f"the open kernel module does not drive the {names_of(gpus)}: it starts with Turing; the proprietary module of "
        "branch 580 does"
    )
    return Choice.of(
        "install_driver",
        [("open_module_excludes_pre_turing", why)],
        offered(_pick(s, gpus), "with the proprietary module"),
    )


def _missing(s: Situation, gpus: tuple[Gpu, ...]) -> Choice | None:
    if in_container(s):
        return None
    ends = [last for g in gpus if (last := last_driver(g.compute_capability))]
    after = f"after driver branch {min(ends)}" if ends else "after the driver"
    found = _pick(s, gpus)
    need = _need(found, s.question, min(ends, default=""))
    names, driver = names_of(gpus), s.machine.driver_version
    if driver:
        why = f"driver {driver} is there, and the {names} only on the bus: install the driver anew{need}"
    elif s.machine.platform == "wsl":
        why = f"no NVIDIA driver is there for the {names}: WSL takes the one of Windows, so install it there{need}"
    else:
        why = f"no NVIDIA driver is there for the {names}: install one{need} first"
    said: list[Said] = [("nvidia_driver_missing", why)]
    return Choice.of("install_driver", said, offered(found, after))


def _without_amdgpu(s: Situation, gpus: tuple[Gpu, ...]) -> Choice:
    gfx = frozenset(g.gfx for g in gpus if g.gfx)
    found = pick_rocm(s.question._replace(gfx=gfx)) if gfx else ()
    why = f"the {names_of(gpus)} is on the bus, and no driver drives it: amdgpu has to be loaded first"
    after = offered(found, "after the driver")
    return Choice.of("install_driver", [("", why)], after)


def _need(found: tuple[Found, ...], q: Question, last: str) -> str:
    """Return the drivers that a build runs on: " (580 or newer)", " (525 to 580)"; `last` is the GPUs' last branch."""
    if not found:
        return f" (branch {last})" if last else ""
    floor = found[0].row.drivers[q.windows]
    return f" ({floor[0]} to {last})" if last else f" ({floor[0]} or newer)"


def _pick(s: Situation, gpus: tuple[Gpu, ...]) -> tuple[Found, ...]:
    """Return what fits these GPUs once a driver drives them."""
    capabilities = frozenset(g.compute_capability for g in gpus if g.compute_capability)
    ends = [int(last) for c in capabilities if (last := last_driver(c))]
    driver = (min(ends), 999) if ends else NEWEST
    return pick_cuda(
        s.question._replace(driver=driver, capabilities=capabilities, family=family_of(s.machine))
    )


def seen_but_not_driven(gpus: Targets) -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that no driver drives."""
    out = gpus.out(*NOT_DRIVEN)
    return tuple(g for g in out if g.vendor == "nvidia")
