"""doctor envs."""

from tunedoctor.cli.command_options import EnvsOptions
from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import show
from tunedoctor.core.environments import list_environments
from tunedoctor.probes.environments import Environment, Environments
from tunedoctor.render.screen import Screen


def run_envs(given: EnvsOptions) -> int:
    """List the environments of this user; returns the exit code: 1 where there is none."""
    found = list_environments(quick=given.quick, interaction=TERMINAL)
    show(given.format, _render, found)
    return 0 if found.environments else 1


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
