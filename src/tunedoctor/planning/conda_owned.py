"""Packages that conda put in: pip takes their files away, and conda's own record goes on to claim them."""

import re
import shlex

from tunedoctor.facts import Interpreter, Packages
from tunedoctor.facts.target import Manager
from tunedoctor.plan import Install, Plan, Remove
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.snapshot import Snapshot
from tunedoctor.versions import normalised

_CALLED = {"torch": "pytorch"}
"""What conda calls a package, where that is another name."""


def hold_off(plan: Plan, snapshot: Snapshot) -> None:
    """Hold a plan to what pip or uv put in.

    Raises:
        RefusedError: it changes or removes what conda put in; by hand, conda does it.
    """
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    if packages is None or interpreter is None or interpreter.kind != "conda":
        return
    wanted = {pin.name: pin.version for pin in plan.pins}
    gone = [n for s in plan.steps if isinstance(s, Remove) for n in s.names]
    owned = {n: c for n in (*wanted, *gone) if (c := _name_of(n, packages))}
    if not owned:
        return
    manager = packages.manager
    tool = manager.tool or "conda"
    named = " and ".join(list(owned)[:3])
    why = f"{named} came from {tool}, whose record of it a change by pip or uv would leave untrue"
    out = [owned[n] for n in gone if n in owned and n not in wanted]
    pins = {owned[n]: wanted[n].partition("+")[0] for n in wanted if n in owned}
    if held := [
        line for line in manager.pinned if re.split(r"[^\w.-]", line, maxsplit=1)[0] in pins
    ]:
        why = f"{why}; conda-meta/pinned holds {' and '.join(held)}"
        file = shlex.quote(f"{interpreter.prefix}/conda-meta/pinned")
        raise RefusedError(
            why,
            f"# change what it holds in {file}, then",
            *_commands(manager, interpreter.prefix, out, pins),
        )
    raise RefusedError(why, *_commands(manager, interpreter.prefix, out, pins), *_rest(plan, owned))


def _commands(manager: Manager, prefix: str, out: list[str], pins: dict[str, str]) -> list[str]:
    """Return the commands of the tool that manages the environment."""
    if manager.tool == "pixi":
        at = f" -m {shlex.quote(manager.manifest)}" if manager.manifest else ""
        # an environment of another name is most often made of the feature of that name
        other = manager.environment not in ("", "default")
        at += f" -f {shlex.quote(manager.environment)}" if other else ""
        drop, put, is_ = f"pixi remove{at}", f"pixi add{at}", "=="
    else:
        tool = manager.tool or "conda"
        there = f"-p {shlex.quote(prefix)}"
        drop, put, is_ = f"{tool} remove {there}", f"{tool} install {there}", "="
    lines = [f"{drop} {' '.join(map(shlex.quote, out))}"] if out else []
    specs = " ".join(shlex.quote(f"{name}{is_}{version}") for name, version in pins.items())
    return [*lines, *([f"{put} {specs}"] if specs else [])]


def _name_of(name: str, packages: Packages) -> str:
    """Return what conda calls a package that it put in; "" for one that it did not."""
    held = packages.get(name)
    called = {_CALLED.get(name, name), name}
    recorded = next((c for c in packages.conda if normalised(c) in called), "")
    if held is None or (
        held.installer != "conda" and not (recorded and held.installer not in ("pip", "uv"))
    ):
        return ""  # what pip wrote over is pip's by now
    return recorded or _CALLED.get(name, name)


def _rest(plan: Plan, owned: dict[str, str]) -> list[str]:
    """Return the way on for what pip put in: the same fix without conda's packages."""
    others = any(
        pin.name not in owned for s in plan.steps if isinstance(s, Install) for pin in s.pins
    )
    return ["doctor fix"] if others else []
