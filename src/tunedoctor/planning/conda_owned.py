"""Packages that conda put in: pip takes their files away, and conda's own record goes on to claim them."""

import shlex

from tunedoctor.facts import Interpreter, Packages
from tunedoctor.plan import Install, Plan, Remove
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.snapshot import Snapshot

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
    moved = {name: _CALLED.get(name, name) for name in (*wanted, *gone)}
    owned = {n: called for n, called in moved.items() if _is_condas(n, called, packages)}
    if not owned:
        return
    prefix = shlex.quote(interpreter.prefix)
    named = " and ".join(list(owned)[:3])
    why = f"{named} came from conda, whose record of it a change by pip or uv would leave untrue"
    lines = [f"conda remove -p {prefix} {owned[n]}" for n in gone if n in owned and n not in wanted]
    pins = [f"{owned[n]}={wanted[n].partition('+')[0]}" for n in wanted if n in owned]
    if pins:
        lines.append(f"conda install -p {prefix} {' '.join(map(shlex.quote, pins))}")
    lines += _rest(plan, owned)
    raise RefusedError(why, *lines)


def _is_condas(name: str, called: str, packages: Packages) -> bool:
    held = packages.get(name)
    if held is None:
        return False
    recorded = name in packages.conda or called in packages.conda
    # what pip wrote over is pip's by now
    return held.installer == "conda" or (recorded and held.installer not in ("pip", "uv"))


def _rest(plan: Plan, owned: dict[str, str]) -> list[str]:
    """Return the way on for what pip put in: the same fix without conda's packages."""
    others = any(
        pin.name not in owned for s in plan.steps if isinstance(s, Install) for pin in s.pins
    )
    return ["doctor fix"] if others else []
