"""doctor envs."""

from tunedoctor.cli.command_options import EnvsOptions
from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import show
from tunedoctor.core.environments import list_environments
from tunedoctor.probes.environments import Environment, Environments
from tunedoctor.render.screen import Screen


def run_envs(arguments: EnvsOptions) -> int:
    """List the environments of this user; returns the exit code: 1 where there is none."""
    listed = list_environments(quick=arguments.quick, interaction=TERMINAL)
    show(arguments.format, _render, listed)
    return 0 if listed.environments else 1


def _render(listed: Environments, screen: Screen) -> str:
    for environment in listed.environments:  # a path stands whole, to be pasted
        screen.line((environment.path, "bold"))
        screen.line(f"  {', '.join(_words(environment))}")
    if listed.environments:
        screen.next(("doctor check --target ENVIRONMENT", "check one"))
    else:
        screen.wrap("no environment is active, in this folder, or where tools keep theirs")
        screen.next(("doctor fix --new .venv", "create one"))
    return screen.text()


def _words(environment: Environment) -> list[str]:
    torch = f"torch {environment.torch}" if environment.torch else "no torch"
    words = [environment.kind, f"Python {environment.python or 'unknown'}", torch]
    words += [] if environment.bytes is None else [f"{environment.bytes / 1e9:.1f} GB"]
    return [
        *words,
        *(["active"] if environment.active else []),
        *(["doctor's own"] if environment.own else []),
    ]
