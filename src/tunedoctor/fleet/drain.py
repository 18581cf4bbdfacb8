"""Take nodes out of service, or back: first a plan, from the cluster manager's data and the nodes' own causes."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from tunedoctor.fleet.fanout import items_of, readiness, rows_of
from tunedoctor.fleet.judge import plain
from tunedoctor.tables.load import table

OURS = re.compile(r"doctor: \S+ \[node\]")
"""Start of each reason that doctor sets; nodes with other reasons are left alone."""
SHARE = 10
"""One in this many nodes may be out of service, unless more are allowed: a wrong rule must not empty a cluster."""
_MANAGER = "tunedoctor"
"""Owner that Kubernetes records for a field that doctor set, until someone else sets it again."""
Verb = Literal["drain", "undrain", "cordon", "uncordon", "label", "unlabel"]
Held = Mapping[str, tuple[bool, str, bool]]
"""Node -> whether it is taken out (or labelled), the reason, and whether it accepts jobs, according to the manager."""


def plan(
    verb: Verb, states: Held, causes: Mapping[str, str], well: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return node -> reason for nodes to act on, and node -> why for nodes that are left alone.

    `causes`: node -> reason, for nodes with their own fault. Undoing uses the reason that was set.
    """
    ours = {name: why for name, (out, why, _) in states.items() if out and OURS.match(why)}
    if verb.startswith("un"):
        left = {name: causes.get(name, "not reported ready") for name in ours if name not in well}
        return {name: why for name, why in ours.items() if name in well}, left
    has = {name: states.get(name, (True, "unknown to the cluster", False)) for name in causes}
    # a node that is out for another cause gets this cause as its new reason
    to_change = {n: why for n, why in causes.items() if not has[n][0] or ours.get(n, why) != why}
    return to_change, {name: why for name, (_, why, _) in has.items() if name not in to_change}


def refusal(
    changing: Collection[str], states: Held, requested: Collection[str], at_most: int
) -> str:
    """Return why this many nodes are not taken out, of the cluster or of the requested ones; "" if they may be."""
    out = {name for name, (*_, serves) in states.items() if not serves or name in changing}
    for some, what in (
        (states.keys(), "the cluster's"),
        (states.keys() & {*requested}, "the requested"),
    ):
        n, most = len(out & some), at_most or max(1, len(some) // SHARE)
        if n > most and any(states[name][2] for name in changing):
            return (
                f"{n} of {what} {len(some)} nodes would be out of service, more than {most}; "
                f"to allow it: --at-most {len(out)}"
            )
    return ""


def held_by(verb: Verb, only: str = "") -> Held:
    """Ask the manager for the state of nodes (for Slurm just `only`, if given). Raises ValueError, LookupError."""
    if verb.endswith("drain"):
        words, rows = table("slurm"), rows_of("%N|%T|%E", *([f"--nodes={only}"] if only else []))
        gone = (*words["gone"], words["drained"])
        return {
            name: (words["drained"] in state, plain(why), not state.startswith(gone))
            for name, state, why in rows
        }
    result: dict[str, tuple[bool, str, bool]] = {}
    for node in items_of("kubectl", "get", "nodes", "--output=json", "--show-managed-fields"):
        about, out = node["metadata"], bool(node["spec"].get("unschedulable"))
        serves = not out and readiness(node).get("status") == "True"
        # an annotation alone may be older than a cordon that someone removed and set again
        sets = [
            entry for entry in about.get("managedFields", ()) if entry.get("manager") == _MANAGER
        ]
        ours = any(
            "f:unschedulable" in entry.get("fieldsV1", {}).get("f:spec", {}) for entry in sets
        )
        if verb.endswith("label"):
            out = ours = "tunedoctor/cause" in about.get("labels", {})
        why = about.get("annotations", {}).get(_note(verb), "") if ours else "by someone else"
        result[about["name"]] = out, plain(why), serves
    return result


def argv_of(verb: Verb, node: str, reason: str, cause: str = "") -> list[str]:
    """Return the command to run. Names are those of the manager; `cause` is the id that a label takes."""
    if verb.endswith("drain"):
        how = ["State=DRAIN", f"Reason={reason}"] if verb == "drain" else ["State=RESUME"]
        return ["scontrol", "update", f"NodeName={node}", *how]
    undoes = verb.startswith("un")
    patch: dict[str, Any] = {"metadata": {"annotations": {_note(verb): None if undoes else reason}}}
    if verb.endswith("label"):
        patch["metadata"]["labels"] = {"tunedoctor/cause": None if undoes else cause}
    else:
        patch["spec"] = {"unschedulable": None if undoes else True}
    how = ["--type=merge", f"--field-manager={_MANAGER}", f"--patch={json.dumps(patch)}"]
    return ["kubectl", "patch", "node", node, *how]


def _note(verb: Verb) -> str:
    return f"tunedoctor/{verb.removeprefix('un')}"
