"""Packages that conda or pixi put in: pip takes their files away, and their own record goes on to claim them."""

import re
import shlex

from tunedoctor.facts import CondaPrefix, Interpreter, Packages
from tunedoctor.plan import Install, Plan, Remove
from tunedoctor.planning.goal import RefusedError
from tunedoctor.snapshot import Snapshot
from tunedoctor.versions import normalised, within

_CALLED = {"torch": "pytorch"}
"""What conda calls a package, where that is another name."""


def hold_off(plan: Plan, snapshot: Snapshot) -> None:
    """Hold a plan to what pip or uv put in, and to what the user pinned.

    Raises:
        RefusedError: it changes or removes what conda put in, goes against conda-meta/pinned, or the prefix is of pixi,
            which puts back whatever others change; by hand, the tool that keeps the prefix does it.
    """
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    if packages is None or interpreter is None or interpreter.kind != "conda":
        return
    kept = packages.prefix or CondaPrefix()
    wanted = {pin.name: pin.version for pin in plan.pins}
    gone = [n for s in plan.steps if isinstance(s, Remove) for n in s.names]
    for pin in kept.pins:
        name, specifier = _pinned(pin)
        if within(wanted.get(name, ""), specifier) is False:
            why = f"{name} {wanted[name]} goes against conda-meta/pinned, which says {pin}"
            raise RefusedError(why, f"change that line of {interpreter.prefix}/conda-meta/pinned")
    moved = {name: _CALLED.get(name, name) for name in (*wanted, *gone)}
    owned = {n: called for n, called in moved.items() if _is_condas(n, called, packages)}
    if not owned and (kept.tool != "pixi" or not moved):
        return
    of_pip = {n: n for n in moved if n not in owned}
    lines = _lines(kept, interpreter.prefix, owned, wanted, gone)
    if kept.tool == "pixi":
        lines += _lines(kept, interpreter.prefix, of_pip, wanted, gone, pypi=True)
        why = "pixi keeps this environment by its own file, and takes back what others change"
        raise RefusedError(why, *lines)
    named = " and ".join(list(owned)[:3])
    why = f"{named} came from conda, whose record of it a change by pip or uv would leave untrue"
    raise RefusedError(why, *lines, *_rest(plan, owned))


def _lines(  # noqa: PLR0913  what, where and how
    kept: CondaPrefix,
    prefix: str,
    called: dict[str, str],
    wanted: dict[str, str],
    gone: list[str],
    *,
    pypi: bool = False,
) -> list[str]:
    """Return the commands that remove and install these packages, by the names that the tool has for them."""
    if kept.tool == "pixi":
        where = f"--manifest-path {shlex.quote(kept.manifest)}"
        if kept.environment != "default":
            where += f" --feature {shlex.quote(kept.environment)}"
        take, put, equal = f"pixi remove {where}", f"pixi add {where}", "=="
    else:
        where = f"-p {shlex.quote(prefix)}"
        take, put, equal = f"{kept.tool} remove {where}", f"{kept.tool} install {where}", "="
    source = " --pypi" if pypi else ""
    lines = [f"{take}{source} {called[n]}" for n in gone if n in called and n not in wanted]
    pins = [
        shlex.quote(f"{called[n]}{equal}{wanted[n] if pypi else _with_build(wanted[n])}")
        for n in wanted
        if n in called
    ]
    return [*lines, f"{put}{source} {' '.join(pins)}"] if pins else lines


def _with_build(version: str) -> str:
    """Return "2.9.1=cuda126*" of "2.9.1+cu126", as conda-forge names its builds; the release alone of other labels."""
    plain, _, label = version.partition("+")
    build = "cpu*" if label == "cpu" else f"cuda{label[2:]}*" if label.startswith("cu") else ""
    return f"{plain}={build}" if build else plain


def _pinned(line: str) -> tuple[str, str]:
    """Return ("numpy", "==1.26.*") of "numpy 1.26.*", "numpy=1.26" or "numpy ==1.26.*"; builds are left out."""
    found = re.match(r"([\w.-]+)\s*(=[^=\s][^\s]*|[^\s]*)", line)
    name, specifier = (found[1], found[2]) if found else ("", "")
    pip_name = next((pip for pip, conda in _CALLED.items() if conda == name), normalised(name))
    if re.match(r"=[^=]", specifier):
        fuzzy = specifier[1:].partition("=")[0].rstrip("*").rstrip(".")
        return pip_name, f"=={fuzzy}.*"
    return pip_name, f"=={specifier}" if specifier[:1].isdigit() else specifier


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
