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
    pip = [shlex.quote(python or "python"), "-m", "pip"]
    uv = ["uv", "pip"]
    there = ["--python", shlex.quote(python)] if python else []
    pip_lines: list[list[str]] = []
    uv_lines: list[list[str]] = []
    labels = labels_in(torch, machine)
    stale = [one.name for one in group if one.was == one.version and not labels[one.name]]
    for step in cures:
        if isinstance(step, Remove):
            pip_lines.append([*pip, "uninstall", "-y", *step.names])
            uv_lines.append([*uv, "uninstall", *there, *step.names])
        elif isinstance(step, Install):
            pins = [pin.requirement for pin in step.pins]
            where = ["--index-url", step.index] if step.index else []
            pip_lines.append([*pip, "install", "--force-reinstall", "--no-deps", *pins, *where])
            where = ["--default-index", step.index] if step.index else []
            uv_lines.append([*uv, "install", *there, "--reinstall", "--no-deps", *pins, *where])
    if stale:
        # a pin without label is met by the build that is to go
        pip_lines.append([*pip, "uninstall", "-y", *stale])
        uv_lines.append([*uv, "uninstall", *there, *stale])
    if group:
        first = torch_pins(group, torch, labels)
        where = ["--index-url", torch.index_url] if torch.index_url else []
        pip_lines.append([*pip, "install", *first, *where])
        uv_lines.append([*uv, "install", *there, *first, *_uv_source(torch)])
    if rest:
        pip_lines.append([*pip, "install", *rest, f"torch=={torch.version}"])
        uv_lines.append([*uv, "install", *there, *rest, f"torch=={torch.version}"])
    return Commands(tuple(map(" ".join, pip_lines)), tuple(map(" ".join, uv_lines)))


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


def _uv_source(torch: TorchPick) -> list[str]:
    """Name the index for uv: UV_DEFAULT_INDEX beats --index-url, and nothing beats a backend."""
    if not torch.index_url:
        return []
    if backend_of(torch.index_url, torch.variant):
        return [f"--torch-backend={torch.variant}"]
    return ["--index", torch.index_url]
