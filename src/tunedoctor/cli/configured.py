"""doctor config and doctor policy: show the settings in effect; write a policy from a machine known to be good."""

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunedoctor.cli.command_options import ConfigOptions, PolicyOptions
from tunedoctor.cli.options import TERMINAL, aim, criteria_of, look, settings
from tunedoctor.cli.output import show, write
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_snapshot, write_file
from tunedoctor.diagnosis.policy import from_good
from tunedoctor.render.screen import Screen
from tunedoctor.tables.config import FILES, Config, mirrors


class Setting(msgspec.Struct, frozen=True):
    """A setting in effect, and where it comes from."""

    name: str
    value: Any
    source: str
    """The file or the variable; "default"."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor config --format json` prints."""

    schema: Literal["doctor.config/1"] = "doctor.config/1"
    file: str = ""
    """Where the settings of the folder stand; "" for nowhere."""
    settings: tuple[Setting, ...] = ()


def run_config(given: ConfigOptions) -> int:
    """Show the settings in effect; return the exit code."""
    held = settings(given.config)
    values, holds = msgspec.to_builtins(held.config), criteria_of(given, held)
    names = [one for one in Config.__struct_fields__ if one not in ("mirrors", "policy")]
    places = {name: held.file if name in held.given else "default" for name in names}
    for name in ("fail_on", "unknown"):  # strict = true has a say in both
        if values[name] != getattr(holds, name):
            values[name], places[name] = getattr(holds, name), "strict"
    several = [Setting(name.replace("_", "-"), values[name], places[name]) for name in names]
    urls = [(str(name), url, held.file) for name, url in held.config.mirrors.items()]
    urls += [(name, one.url, one.place) for name, one in mirrors().items()]
    several += [Setting(f"mirrors.{name}", url, place) for name, url, place in urls]
    several += [Setting(one.id, one.said, held.file) for one in held.rules]
    show(given.format, _render, Held(file=held.file, settings=tuple(several)))
    return 0


def _render(held: Held, screen: Screen) -> str:
    width = max(len(one.name) for one in held.settings)
    for one in held.settings:
        value = one.value if isinstance(one.value, str) else json.dumps(one.value)
        screen.wrap(f"{value or '-'}  ({one.source})", width + 2, f"{one.name:<{width}}  ")
    screen.gap()
    if held.file:
        screen.next(("doctor check", "check this machine against it; options override the file"))
    else:
        screen.wrap(
            f"Neither {' nor [tool.doctor] of '.join(FILES)} exists here or in this project."
        )
        screen.next(("doctor policy init --from-here", "write a policy from this machine"))
    return screen.text()


def run_policy(given: PolicyOptions) -> int:
    """Write a policy that a machine meets; returns the exit code."""
    check_combinations(given)
    out = given.output
    if out != "-" and Path(out).name == "pyproject.toml":
        paste = "-o - prints the policy; paste it into pyproject.toml as [tool.doctor.policy]"
        misuse("it writes a complete file", paste)
    if out != "-" and Path(out).exists() and not given.force:
        misuse(f"{out} is there", "-o - prints the policy, --force overwrites the file")
    source, own = given.source, given.own
    snapshot = read_snapshot(source) if source else look(aim(given.target, own=own))
    text = "\n".join([*from_good(snapshot), ""])
    if out == "-":
        write(text)
        return 0
    write_file(
        out, text, said="; loosen what may differ, then run doctor check", interaction=TERMINAL
    )
    return 0


def check_combinations(options: PolicyOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.here and (options.source or options.own):
        misuse("--from-here and --from name two machines", "name one")
