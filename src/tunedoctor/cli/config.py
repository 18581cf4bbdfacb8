"""doctor config."""

import json

from tunedoctor.cli.command_options import ConfigOptions
from tunedoctor.cli.options import criteria_of, settings
from tunedoctor.cli.output import show
from tunedoctor.core.settings import EffectiveSettings, effective_settings
from tunedoctor.render.screen import Screen
from tunedoctor.tables.config import FILES


def run_config(arguments: ConfigOptions) -> int:
    """Show the settings in effect; returns the exit code."""
    found_settings = settings(arguments.config)
    show(
        arguments.format,
        _render,
        effective_settings(found_settings, criteria_of(arguments, found_settings)),
    )
    return 0


def _render(effective: EffectiveSettings, screen: Screen) -> str:
    width = max(len(setting.name) for setting in effective.settings)
    for setting in effective.settings:
        value = setting.value if isinstance(setting.value, str) else json.dumps(setting.value)
        screen.wrap(f"{value or '-'}  ({setting.source})", width + 2, f"{setting.name:<{width}}  ")
    screen.gap()
    if effective.file:
        screen.next(("doctor check", "check this machine against it; options override the file"))
    else:
        screen.wrap(f"Neither {' nor [tool.doctor] of '.join(FILES)} is here or in this project.")
        screen.next(("doctor policy init --from-here", "write a policy from this machine"))
    return screen.text()
