"""doctor fleet --drain and its like: the plan for nodes, or what came of it, on stderr."""

import sys
from collections.abc import Iterator
from typing import get_args

from tunedoctor.cli.command_options import FleetOptions
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.drain import DrainResult, act_on_nodes, verdicts_of
from tunedoctor.fleet.drain import Verb
from tunedoctor.fleet.many import Evaluation


def verbs_of(arguments: FleetOptions) -> list[Verb]:
    """Return the actions that the options ask for."""
    return [verb for verb in get_args(Verb) if getattr(arguments, verb)]


def run_actions(arguments: FleetOptions, evaluation: Evaluation, criteria: Criteria) -> bool:
    """Print what is to be done to nodes, and with --yes do it; return whether all went well."""
    nodes, ok = verdicts_of(evaluation, criteria), True
    for verb in verbs_of(arguments):
        result = act_on_nodes(verb, nodes, carry_out=arguments.yes, at_most=arguments.at_most or 0)
        sys.stderr.write("".join(f"{line}\n" for line in _lines(result)))
        ok &= result.ok
    return ok


def _lines(result: DrainResult) -> Iterator[str]:
    verb = result.verb
    yield from (f"left alone  {node}  {why}" for node, why in result.left_alone.items())
    for action in result.actions:
        if action.problem:
            yield f"can't {verb}  {action.node}  {action.problem}"
        else:
            yield f"{verb if result.done else f'would {verb}'}  {action.node}  {action.reason}"
    if result.refused:
        yield f"Nothing is done: {result.refused}"
    elif not result.done and result.actions:
        yield "Next: run the same command with --yes to do it"
    elif not result.done:
        yield f"No node to {verb}."
