"""Take nodes out of service or back, or label them: a plan from each node's own cause, carried out only if asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import refusing
from tunedoctor.diagnosis.summary import line_of
from tunedoctor.fleet.drain import Verb, argv_of, held_by, plan, refusal
from tunedoctor.fleet.fanout import program_output
from tunedoctor.fleet.judge import Job
from tunedoctor.fleet.many import Evaluation
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.snapshot import LARGEST
from tunedoctor.model.wording import ago
from tunedoctor.system.reading import read_regular


class NodeAction(NamedTuple):
    """An action on a node."""

    node: str
    reason: str
    problem: str = ""
    """Why it could not be done."""


class DrainResult(NamedTuple):
    """A plan for nodes, and whether it was carried out."""

    verb: Verb
    actions: tuple[NodeAction, ...]
    left_alone: Mapping[str, str]
    """Node -> why nothing is done to it."""
    refused: str = ""
    """Why nothing is done at all; too many nodes would be out of service."""
    done: bool = False
    """The actions were carried out, except those with a problem."""

    @property
    def ok(self) -> bool:
        """True if nothing was refused and nothing failed."""
        return not self.refused and not any(action.problem for action in self.actions)


class NodeFault(NamedTuple):
    """Why a node is taken out of service."""

    cause: str
    """Id of its worst cause."""
    reason: str
    """The line that the cluster manager keeps: "doctor: gpu-lost [node] A GPU fell off the bus"."""


class Verdicts(NamedTuple):
    """The states of nodes, by their names in the cluster."""

    faults: dict[str, NodeFault]
    """Nodes that are at fault themselves."""
    well: set[str]
    """Nodes that may be in service; what a user has to fix does not count."""
    names: set[str]
    """All nodes of the report."""


def verdicts_of(evaluation: Evaluation, criteria: Criteria) -> Verdicts:
    """Return which nodes are at fault and which are well."""
    nodes = evaluation.report.nodes
    names, well, faults = {node.node for node in nodes}, set[str](), dict[str, NodeFault]()
    for node in nodes:
        # with two answers under one name, it is unknown which of them is the node's
        name = f"{node.node}#1" if f"{node.node}#2" in names else node.node
        cause = evaluation.causes.get(node.node)
        if cause and cause.owner == "node":
            faults[name] = NodeFault(cause.id, line_of(node.why).strip())
        elif cause or (node.verdict == "ready" and criteria.fail_on != "never"):
            well.add(name)
    return Verdicts(faults, well, names)


def act_on_nodes(
    verb: Verb, nodes: Verdicts, *, carry_out: bool = False, at_most: int = 0
) -> DrainResult:
    """Plan an action on nodes, and carry it out if asked.

    `at_most`: nodes that may be out of service; 0 for a tenth. Raises DoctorError if the cluster manager can't be
    asked.
    """
    only, refused = next(iter(nodes.names)) if len(nodes.names) == 1 else "", ""
    reasons = {node: fault.reason for node, fault in nodes.faults.items()}
    with refusing((OSError, ValueError, LookupError), "doctor explain fleet", f"--{verb}: "):
        states = held_by(verb, only)
        planned, left = plan(verb, states, reasons, nodes.well)
        if verb in ("drain", "cordon") and planned:
            refused = refusal(planned, held_by(verb) if only else states, nodes.names, at_most)
    done, actions = carry_out and not refused, list[NodeAction]()
    for node, reason in planned.items():
        problem = ""
        try:
            if done:
                cause = nodes.faults[node].cause if node in nodes.faults else ""
                program_output(*argv_of(verb, node, reason, cause))
        except ValueError as error:
            problem = str(error)
        actions.append(NodeAction(node, reason, problem))
    return DrainResult(verb, tuple(actions), left, refused, done)


def recent(
    jobs: Iterable[Job], verbs: Sequence[Verb], max_age: float, criteria: Criteria
) -> Iterator[Job]:
    """Pass on files that are good enough for actions; others become machines that were not reached.

    A file may be at most `max_age` hours old. To undo something, a report must contain all checks of a node.
    """
    undoes = any(verb.startswith("un") for verb in verbs)
    least = {check.id for check in criteria._replace(profile="node").checks() if not check.by_words}
    for job in jobs:
        name, text = job if isinstance(job, tuple) else (job.name, job.snapshot)
        place = text if isinstance(text, str) else name
        try:
            data = read_regular(text, LARGEST) if isinstance(text, str) else text
            report, now = msgspec.json.decode(data), datetime.now(UTC)
            own = report.get("facts", {}).get("Node", {}).get("value", {}).get("name")
            name = str(report.get("node") or own or name)
            taken_at = datetime.fromisoformat(report["taken"])
            age = ago(str(taken_at)) if taken_at <= now else "by a clock that is ahead"
            old = abs(now - taken_at) > timedelta(hours=max_age)
            why = f"was taken {age}, at {taken_at:%Y-%m-%d %H:%M}; --max-age HOURS" if old else ""
            if (
                not why
                and undoes
                and "verdict" in report
                and not _is_whole(report, criteria, least)
            ):
                why = "is a report for which checks were left out, or counted less"
        except Exception as error:  # noqa: BLE001  the file can contain anything
            why = f"does not say when it was taken: {error}"
        yield Reply(name, problem=f"{place} {why}") if why else job


def _is_whole(report: dict[str, Any], criteria: Criteria, least: set[str]) -> bool:
    """Return whether a report has the results of all checks in `least`, and its verdict counts what counts here."""
    findings, fails = report["findings"], criteria.gate().fails
    ids = (finding["id"] for finding in (*findings, *report["symptoms"]))
    counts = any(fails(finding["severity"]) and not finding["accepted"] for finding in findings)
    decided = {*report["passed"], *report["skipped"], *report["unknown"], *ids}
    return decided >= least and (report["verdict"] != "ready" or not counts)
