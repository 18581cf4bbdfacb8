"""doctor diff."""

import shlex

from tunedoctor.cli.command_options import DiffOptions
from tunedoctor.cli.options import aim, criteria_of, look
from tunedoctor.cli.output import screen, write
from tunedoctor.core.diff import HERE, compare_sources
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render.diff import markdown, render
from tunedoctor.render.screen import as_json, as_line


def run_diff(given: DiffOptions) -> int:
    """Print what differs between two machines; returns the exit code: 1 if a finding does."""
    a, b, is_here = given.a, given.b, HERE in (given.a, given.b)
    if not is_here and (given.target is not None or given.own):
        misuse("--target and --self are for this machine", "write - instead of a file")
    place = aim(given.target, own=given.own) if is_here else NO_TARGET
    found = compare_sources(a, b, criteria_of(given), lambda: look(place))
    if given.format == "json":
        first, *rest = found
        write("".join(map(as_line, found)) if rest else as_json(first))
    elif given.format == "markdown":
        write(markdown(found))
    else:
        there = target_option(place, given.target) if is_here else ""
        asked = shlex.join((a, b)) + there
        write(render(found, screen(), asked, there, verbose=given.verbose))
    return 1 if any(one.findings for one in found) else 0
