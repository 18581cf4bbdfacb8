"""Commands that make a set: torch and its companions from their index first, then the rest with torch pinned."""

import shlex
from collections.abc import Iterable, Mapping

from tunedoctor.plan import AnyStep, Install, Remove
from tunedoctor.planning.set_answer import Change, Commands
from tunedoctor.planning.torch_pick import TorchPick
from tunedoctor.planning.wanted import PAIRED
from tunedoctor.wheels.choice import Build
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pins import backend_of, labels_of

GROUP = ("torch", *PAIRED)
"""What comes from one index in one command."""


def commands(
    packages: Iterable[Change],
    torch: TorchPick,
    machine: Machine,
    python: str = "",
    cures: Iterable[AnyStep] = (),
) -> Commands:
    """Return the commands for pip and for uv; `python` is the target's interpreter, "" for the active one.

    The second command names torch as well: an installer that is not told puts another one in its place. What cures take
    out and put in by themselves goes first.
    """
    moved = [one for one in packages if one.change in ("changed", "added") and one.named]
    group = [one for one in moved if one.name in GROUP]
    rest = [f"{one.name}=={one.version}" for one in moved if one.name not in GROUP]
    labels = labels_in(torch, machine)
    stale = [one.name for one in group if one.was == one.version and not labels[one.name]]
    lines = [pair for step in cures if (pair := _alone(step))]
    if stale:
        # a pin without label is met by the build that is to go
        lines += [_out(stale)]
    if group:
        first = " ".join(["install", *torch_pins(group, torch, labels)])
        where = f" --index-url {torch.index_url}" if torch.index_url else ""
        lines.append((f"{first}{where}", f"{first}{_uv_source(torch)}"))
    if rest:
        second = " ".join(["install", *rest, f"torch=={torch.version}"])
        lines.append((second, second))
    pip = f"{shlex.quote(python or 'python')} -m pip "
    there = f" --python {shlex.quote(python)} " if python else " "
    by_uv = (line.replace(" ", there, 1) for _, line in lines)
    return Commands(
        tuple(f"{pip}{line}" for line, _ in lines), tuple(f"uv pip {line}" for line in by_uv)
    )


def _out(names: Iterable[str]) -> tuple[str, str]:
    """Return what takes packages out, for pip and for uv."""
    named = " ".join(names)
    return f"uninstall -y {named}", f"uninstall {named}"


def _alone(step: AnyStep) -> tuple[str, str] | None:
    """Return a step of a cure for pip and for uv; None where packages are not what it changes."""
    if isinstance(step, Remove):
        return _out(step.names)
    if not isinstance(step, Install):
        return None
    pins = " ".join(pin.requirement for pin in step.pins)
    by_pip, by_uv = (
        f"--{option} {step.index}" if step.index else ""
        for option in ("index-url", "default-index")
    )
    return (
        f"install --force-reinstall --no-deps {pins} {by_pip}".rstrip(),
        f"install --reinstall --no-deps {pins} {by_uv}".rstrip(),
    )


def torch_pins(group: Iterable[Change], torch: TorchPick, labels: dict[str, str]) -> list[str]:
    """Return torch and its companions as their index has them, torch among them even where it stays."""
    pins = [pinned(one.name, one.version, labels) for one in group if one.name in GROUP]
    if not any(pin.startswith("torch==") for pin in pins):
        pins.insert(0, pinned("torch", torch.version, labels))
    return pins


def labels_in(torch: TorchPick, machine: Machine) -> dict[str, str]:
    """Return torch and its companions -> the local label of the files that the pick takes."""
    if torch.label == torch.version:
        return dict.fromkeys(GROUP, "")
    return labels_of(Build(torch.version, torch.variant), machine, default=not torch.index_url)


def pinned(name: str, version: str, labels: Mapping[str, str]) -> str:
    """Return a pin with the local label of its file."""
    label = labels.get(name, "")
    return f"{name}=={version}" + (f"+{label}" if label else "")


def _uv_source(torch: TorchPick) -> str:
    """Name the index for uv: UV_DEFAULT_INDEX beats --index-url, and nothing beats a backend."""
    if torch.index_url and backend_of(torch.index_url, torch.variant):
        return f" --torch-backend={torch.variant}"
    return f" --index {torch.index_url}" if torch.index_url else ""
