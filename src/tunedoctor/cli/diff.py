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


def run_diff(arguments: DiffOptions) -> int:
    """Print what differs between two machines; returns the exit code: 1 if a finding does."""
    a, b, is_here = arguments.a, arguments.b, HERE in (arguments.a, arguments.b)
    if not is_here and (arguments.target is not None or arguments.own):
        misuse("--target and --self are for this machine", "write - instead of a file")
    place = aim(arguments.target, own=arguments.own) if is_here else NO_TARGET
    differences = compare_sources(a, b, criteria_of(arguments), lambda: look(place))
    if arguments.format == "json":
        first, *rest = differences
        write("".join(map(as_line, differences)) if rest else as_json(first))
    elif arguments.format == "markdown":
        write(markdown(differences))
    else:
        target_words = target_option(place, arguments.target) if is_here else ""
        words = shlex.join((a, b)) + target_words
        write(render(differences, screen(), words, target_words, verbose=arguments.verbose))
    return 1 if any(difference.findings for difference in differences) else 0
