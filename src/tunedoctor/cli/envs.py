"""doctor envs."""

import os
import sys
from pathlib import Path

from tunedoctor.cli.command_options import EnvsOptions
from tunedoctor.cli.output import show
from tunedoctor.cli.progress import spinner
from tunedoctor.probes.environments import Environment, Environments, environments
from tunedoctor.render.screen import Screen


def run_envs(given: EnvsOptions) -> int:
    """List the environments of this user; return the exit code, 1 if there are none."""
    with spinner("measuring"):
        found = environments(os.environ, str(Path.cwd()), sys.executable, sized=not given.quick)
    show(given.format, _render, Environments(environments=found))
    return 0 if found else 1


def _render(found: Environments, screen: Screen) -> str:
    for one in found.environments:  # a path stands whole, to be pasted
        screen.line((one.path, "bold"))
        screen.line(f"  {', '.join(_words(one))}")
    if found.environments:
        screen.next(("doctor check --target ENVIRONMENT", "check one"))
    else:
        screen.wrap("no environment is active, in this folder, or where tools keep theirs")
        screen.next(("doctor fix --new .venv", "create one"))
    return screen.text()


def _words(one: Environment) -> list[str]:
    torch = f"torch {one.torch}" if one.torch else "no torch"
    told = [one.kind, f"Python {one.python or 'unknown'}", torch]
    told += [] if one.bytes is None else [f"{one.bytes / 1e9:.1f} GB"]
    return [*told, *(["active"] if one.active else []), *(["doctor's own"] if one.own else [])]
