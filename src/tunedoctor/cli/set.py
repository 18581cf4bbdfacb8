"""doctor set."""

import sys
from functools import partial

from tunedoctor.cli.command_options import SetOptions
from tunedoctor.cli.options import TERMINAL, aim, criteria_of, settings
from tunedoctor.cli.output import show, write
from tunedoctor.core.arguments import values_of
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse
from tunedoctor.core.package_set import (
    SetFiles,
    find_set,
    require_writable_files,
    required_packages,
)
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render.plan import render_set
from tunedoctor.wheels.described import DescribedValues


def run_set(given: SetOptions) -> int:
    """Find one set of libraries for what the options name, print and write it; returns the exit code."""
    check_combinations(given)
    asked, files = values_of(DescribedValues, given), values_of(SetFiles, given)
    require_writable_files(files)
    place = NO_TARGET if asked.platform else aim(given.target, own=given.own)
    is_terminal = given.format == "terminal"
    found, pyproject = find_set(
        asked,
        (*required_packages(given.requirements, TERMINAL), *given.packages),
        place,
        files,
        criteria_of(),
        settings=settings(),
        allow_project_sources=given.allow_project_sources,
        ask_sources=is_terminal and sys.stdin.isatty() and sys.stdout.isatty(),
        offline=given.offline,
        interaction=TERMINAL,
    )
    if given.pyproject == "-" and pyproject:
        write(pyproject)
    else:
        again = target_option(place, given.target)
        show(given.format, partial(render_set, verbose=given.verbose, target_option=again), found)
    return {"set": 0, "none": 1, "unknown": 2}[found.verdict]


def check_combinations(options: SetOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.platform and (options.target or options.own):
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
    if options.pyproject == "-" and options.format == "json":
        misuse("--pyproject - and --format json both write to stdout", "name a file for one")
    if options.freeze == "-":
        misuse("--freeze writes a file", "name one: --freeze requirements.txt")
