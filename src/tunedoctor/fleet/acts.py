"""Take nodes out of service, or back: a plan first, of what a cluster's manager says and of the nodes' own causes."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from tunedoctor.fleet.beside import items_of, readiness, rows_of
from tunedoctor.fleet.judge import plain
from tunedoctor.tables.load import table

OURS = re.compile(r"doctor: \S+ \[node\]")
"""How each reason of the doctor's begins; what has another is left alone."""
SHARE = 10
"""One node in so many may be out of service, unless more are allowed: a wrong rule must not empty a cluster."""
_MANAGER = "tunedoctor"
"""Whom Kubernetes notes as the owner of a field that the doctor set, until another sets it anew."""
Verb = Literal["drain", "undrain", "cordon", "uncordon", "label", "unlabel"]
Held = Mapping[str, tuple[bool, str, bool]]
"""Node -> whether it is taken out, or labelled, for what reason, and whether it serves, as the manager has it."""


def plan(
    verb: Verb, held: Held, causes: Mapping[str, str], well: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return node -> reason of what is to be done, and node -> why of who is left alone.

    `causes`: node -> reason, of those whose fault is their own. What is undone has the reason that it had.
    """
    ours = {name: why for name, (out, why, _) in held.items() if out and OURS.match(why)}
    if verb.startswith("un"):
        left = {name: causes.get(name, "not reported ready") for name in ours if name not in well}
        return {name: why for name, why in ours.items() if name in well}, left
    has = {name: held.get(name, (True, "unknown to the cluster", False)) for name in causes}
    # one that is out by another cause gets this one as its reason
    acts = {n: why for n, why in causes.items() if not has[n][0] or ours.get(n, why) != why}
    return acts, {name: why for name, (_, why, _) in has.items() if name not in acts}


def refusal(acts: Collection[str], held: Held, asked: Collection[str], at_most: int) -> str:
    """Return why so many are not taken out, of the cluster or of those that were asked; "" where they may be."""
    out = {name for name, (*_, serves) in held.items() if not serves or name in acts}
    for some, what in ((held.keys(), "the cluster's"), (held.keys() & {*asked}, "the requested")):
        n, most = len(out & some), at_most or max(1, len(some) // SHARE)
        if n > most and any(held[name][2] for name in acts):
            return (
                f"{n} of {what} {len(some)} nodes would be out of service, more than {most}; "
                f"to allow it: --at-most {len(out)}"
            )
    return ""


def held_by(verb: Verb, only: str = "") -> Held:
    """Ask the manager that an act is for, Slurm of one node alone where it is named; ValueError or LookupError."""
    if verb.endswith("drain"):
        words, rows = table("slurm"), rows_of("%N|%T|%E", *([f"--nodes={only}"] if only else []))
        gone = (*words["gone"], words["drained"])
        return {
            name: (words["drained"] in state, plain(why), not state.startswith(gone))
            for name, state, why in rows
        }
    found: dict[str, tuple[bool, str, bool]] = {}
    for node in items_of("kubectl", "get", "nodes", "--output=json", "--show-managed-fields"):
        about, out = node["metadata"], bool(node["spec"].get("unschedulable"))
        serves = not out and readiness(node).get("status") == "True"
        # an annotation alone outlives a cordon that somebody took back and set again
        sets = [one for one in about.get("managedFields", ()) if one.get("manager") == _MANAGER]
        ours = any("f:unschedulable" in one.get("fieldsV1", {}).get("f:spec", {}) for one in sets)
        if verb.endswith("label"):
            out = ours = "tunedoctor/cause" in about.get("labels", {})
        why = about.get("annotations", {}).get(_note(verb), "") if ours else "by someone else"
        found[about["name"]] = out, plain(why), serves
    return found


def argv_of(verb: Verb, node: str, reason: str) -> list[str]:
    """Return what is run. Names are the manager's own."""
    if verb.endswith("drain"):
        how = ["State=DRAIN", f"Reason={reason}"] if verb == "drain" else ["State=RESUME"]
        return ["scontrol", "update", f"NodeName={node}", *how]
    undoes = verb.startswith("un")
    patch: dict[str, Any] = {"metadata": {"annotations": {_note(verb): None if undoes else reason}}}
    if verb.endswith("label"):
        patch["metadata"]["labels"] = {"tunedoctor/cause": None if undoes else reason.split()[1]}
    else:
        patch["spec"] = {"unschedulable": None if undoes else True}
    how = ["--type=merge", f"--field-manager={_MANAGER}", f"--patch={json.dumps(patch)}"]
    return ["kubectl", "patch", "node", node, *how]


def _note(verb: Verb) -> str:
    return f"tunedoctor/{verb.removeprefix('un')}"
