"""doctor config."""

import json

from tunedoctor.cli.command_options import ConfigOptions
from tunedoctor.cli.options import criteria_of, settings
from tunedoctor.cli.output import show
from tunedoctor.core.settings import EffectiveSettings, effective_settings
from tunedoctor.render.screen import Screen
from tunedoctor.tables.config import FILES


def run_config(given: ConfigOptions) -> int:
    """Show the settings in effect; returns the exit code."""
    found = settings(given.config)
    show(given.format, _render, effective_settings(found, criteria_of(given, found)))
    return 0


def _render(found: EffectiveSettings, screen: Screen) -> str:
    width = max(len(one.name) for one in found.settings)
    for one in found.settings:
        value = one.value if isinstance(one.value, str) else json.dumps(one.value)
        screen.wrap(f"{value or '-'}  ({one.source})", width + 2, f"{one.name:<{width}}  ")
    screen.gap()
    if found.file:
        screen.next(("doctor check", "check this machine against it; options override the file"))
    else:
        screen.wrap(f"Neither {' nor [tool.doctor] of '.join(FILES)} is here or in this project.")
        screen.next(("doctor policy init --from-here", "write a policy from this machine"))
    return screen.text()
