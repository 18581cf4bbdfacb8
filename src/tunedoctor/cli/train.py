"""doctor train."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tunedoctor.cli import output
from tunedoctor.cli.command_options import TrainArguments
from tunedoctor.cli.init import write_for_user
from tunedoctor.cli.options import TERMINAL, Options, aim
from tunedoctor.cli.run import show_failure
from tunedoctor.cli.trained import print_end, report
from tunedoctor.core.arguments import values_of as options_from
from tunedoctor.core.configuration import values_of
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import require_working, target_option
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable
from tunedoctor.core.scripts import trainer_source
from tunedoctor.core.train import NodeLauncher, TrainResult, is_finished, run_training
from tunedoctor.core.train import TrainOptions as Training
from tunedoctor.render.html import BEGIN
from tunedoctor.render.screen import mark

_NOT_BEGUN = "not started; --no-check trains anyway"
_MOST_PROBLEMS = 12
"""Lines about what keeps nodes from training together."""


def run_train(given: TrainArguments) -> int:
    """Write the trainer to a file, or train; returns the exit code."""
    check_combinations(given)
    if given.eject:
        return write_for_user(given.eject, trainer_source(), force=given.force)
    words, alone = iter(given.rest), r"(?!--)|--(dry-run|merge|help)$|.*="
    # the trainer takes an option and its value as one word
    rest = [one if re.match(alone, one) else f"{one}={next(words, '')}" for one in words]
    return train(given, rest + [f"--columns={given.columns}"] * bool(given.columns))


def train(given: TrainArguments, arguments: Sequence[str]) -> int:
    """Train as the options say, and print the result; return the exit code."""
    page = given.report
    in_pods = given.kubernetes is not None
    is_pod = in_pods and "DOCTOR_JOB" in os.environ  # of the manifest
    _check_output(given, arguments)
    if page and _page_of_finished(page, arguments):
        return 0
    training = Training(
        words=tuple(arguments),
        processes=given.processes,
        nodes=given.nodes,
        check=not given.no_check,
    )
    if in_pods and not is_pod:
        from tunedoctor.core.pods import PodOptions  # noqa: PLC0415  with it comes the fleet

        pods = options_from(PodOptions, given, kubernetes=given.kubernetes or "")
        result = run_training(training, None, Criteria(), pods=pods, interaction=TERMINAL)
        target = f" --target {given.target}" if given.target else ""
    else:
        place, options = require_working(aim(given.target, own=given.own)), Options.of()
        launcher = _node_training(given, options.criteria) if given.nodes else None
        result = run_training(
            training, place, options.criteria, launcher=launcher, interaction=TERMINAL
        )
        target = target_option(place, given.target)
        _print_problem(result, options)
    if result.end == "printed":
        _print_manifest(result)
        return result.status
    if page and result.status == 0 and is_finished(Path(result.out)):
        report(page, Path(result.out))
    if not is_pod:
        print_end(result, arguments, target, "".join(_again(given)))
    return result.status


def _node_training(given: TrainArguments, criteria: Criteria) -> NodeLauncher:
    """Return what trains on the nodes that the options name."""
    from tunedoctor.core.nodes import NodeOptions, NodeTraining  # noqa: PLC0415  with it comes the fleet

    nodes = options_from(NodeOptions, given, check=not given.no_check)
    return NodeTraining(nodes, criteria, TERMINAL)


def _check_output(given: TrainArguments, arguments: Sequence[str]) -> None:
    """Raise DoctorError if no configuration is named, or if options contradict each other."""
    if not arguments:
        misuse("there is no configuration", "doctor init writes one")
    if given.report and {"--merge", "--dry-run"} & {*arguments}:
        misuse("--report needs a training", "leave it out here")
    if not given.report and given.nodes and "--merge" in arguments:
        misuse("--nodes needs a training", "leave it out here")
    require_writable(given.report, BEGIN, "choose another name, or add --force", force=given.force)


def _page_of_finished(page: str, arguments: Sequence[str]) -> bool:
    """Write the page of a run that has ended; return False if no run has ended, or if it should continue."""
    with refusing((OSError, ValueError), "name a TOML file"):
        out = Path(str(values_of(arguments).get("out") or "out"))
    if not is_finished(out) or any(one.startswith("--resume") for one in arguments):
        return False
    report(page, out)
    return True


def _print_problem(result: TrainResult, options: Options) -> None:
    """Print why the training was not started, or why it failed."""
    if result.end != "refused":
        if result.report:
            show_failure(result.report, options)
    elif result.report:
        quiet = options._replace(quiet=True)
        sys.stderr.write(output.on_terminal(result.report, quiet, sys.stderr))
        TERMINAL.say(_NOT_BEGUN)
    elif result.problems:
        lines = output.screen(sys.stderr)
        more = len(result.problems) - _MOST_PROBLEMS
        for text in [*result.problems[:_MOST_PROBLEMS], *[f"and {more} more"] * (more > 0)]:
            lines.wrap(text, 2, mark("error"))
        sys.stderr.write(lines.text())
        TERMINAL.say(_NOT_BEGUN)
    elif result.why:
        TERMINAL.say(result.why)


def _print_manifest(result: TrainResult) -> None:
    output.write(f"{result.manifest}\n")
    if result.status:
        TERMINAL.say("no kubectl is on PATH")
    sys.stderr.write("".join(f"{command}\n" for command in result.commands))


def _again(given: TrainArguments) -> Iterator[str]:
    """Yield the options that only this command has, to repeat them in a hint."""
    keys = "no_check processes nodes slurm ray kubernetes exclude wait image claim report"
    for key in keys.split():
        value = getattr(given, key)
        if key in given.typed or (key == "processes" and given.processes > 1):
            sign = "=" if key in ("slurm", "ray", "kubernetes") else " "
            has_value = not isinstance(value, bool) and value != ""
            yield f" --{key.replace('_', '-')}" + f"{sign}{shlex.quote(str(value))}" * has_value


def check_combinations(options: TrainArguments) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.nodes and not (
        options.slurm is not None or options.ray is not None or options.kubernetes is not None
    ):
        misuse(
            "--nodes does not say whose nodes",
            "add --slurm (inside or outside a Slurm job), --ray, or --kubernetes for pods",
        )
    if options.slurm is not None and (options.ray is not None or options.kubernetes is not None):
        misuse("--slurm and another option name nodes", "leave out one of them")
    if options.ray is not None and options.kubernetes is not None:
        misuse("--ray and --kubernetes both name nodes", "leave out one of them")
    if options.slurm is not None and not options.nodes:
        misuse("--slurm does not say how many nodes", "--nodes 2 does")
    if options.ray is not None and not options.nodes:
        misuse("--ray does not say how many nodes", "--nodes 2 does")
    if options.kubernetes is not None and not options.nodes:
        misuse("--kubernetes does not say how many nodes", "--nodes 2 does")
    if (options.exclude or options.wait != 600) and not options.nodes:
        misuse("--exclude and --wait need nodes", "add --nodes")
    if (
        options.manifest or options.image or options.claim != "training" or options.resource
    ) and options.kubernetes is None:
        misuse("--manifest, --image, --claim and --resource are for pods", "add --kubernetes")
