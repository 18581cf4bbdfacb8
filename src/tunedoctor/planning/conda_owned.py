"""Packages that conda or pixi put in: pip takes their files away, and their own record goes on to claim them."""

import re
import shlex

from tunedoctor.facts import CondaPrefix, Interpreter, Packages
from tunedoctor.plan import Plan
from tunedoctor.planning.wanted import RefusedError
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
    gone = plan.removed
    for pin in kept.pins:
        name, specifier = _pinned(pin)
        if within(wanted.get(name, ""), specifier) is False:
            why = f"{name} {wanted[name]} goes against conda-meta/pinned, which says {pin}"
            raise RefusedError(why, f"change that line of {interpreter.prefix}/conda-meta/pinned")
    moved = (*wanted, *(name for name in gone if name not in wanted))
    owned = [n for n in moved if _is_condas(n, packages)]
    if not owned and (kept.tool != "pixi" or not moved):
        return
    where, prefix = shlex.quote(kept.manifest), shlex.quote(interpreter.prefix)
    if kept.tool == "pixi":
        feature = f" --feature {shlex.quote(kept.environment)}"
        where = f"--manifest-path {where}{feature if kept.environment != 'default' else ''}"
        lines = _lines(f"pixi remove {where}", f"pixi add {where}", "==", owned, wanted)
        of_pip = [n for n in moved if n not in owned]
        lines += _lines(
            f"pixi remove {where} --pypi", f"pixi add {where} --pypi", "==", of_pip, wanted
        )
        why = "pixi keeps this environment by its own file, and takes back what others change"
        raise RefusedError(why, *lines)
    take, put = f"{kept.tool} remove -p {prefix}", f"{kept.tool} install -p {prefix}"
    named = " and ".join(owned[:3])
    why = f"{named} came from conda, whose record of it a change by pip or uv would leave untrue"
    # the way on for what pip put in: the same fix without conda's packages
    rest = ["doctor fix"] if any(name not in owned for name in wanted) else []
    raise RefusedError(why, *_lines(take, put, "=", owned, wanted), *rest)


def _lines(take: str, put: str, equal: str, names: list[str], wanted: dict[str, str]) -> list[str]:
    """Return the commands that remove and install packages, by the names that the tool has for them."""
    pypi = put.endswith("--pypi")
    called = {name: name if pypi else _CALLED.get(name, name) for name in names}
    lines = [f"{take} {called[name]}" for name in names if name not in wanted]
    pins = [
        shlex.quote(f"{called[n]}{equal}{wanted[n] if pypi else _with_build(wanted[n])}")
        for n in names
        if n in wanted
    ]
    return [*lines, f"{put} {' '.join(pins)}"] if pins else lines


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


def _is_condas(name: str, packages: Packages) -> bool:
    held = packages.get(name)
    recorded = name in packages.conda or _CALLED.get(name, name) in packages.conda
    # what pip wrote over is pip's by now
    by = held.installer if held is not None else "pip"
    return by == "conda" or (recorded and by not in ("pip", "uv"))
