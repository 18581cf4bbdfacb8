"""Take nodes out of service, or back: a plan first, of what a cluster's manager says and of the nodes' own causes."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from tunedoctor.fleet.beside import items_of, ready_condition, rows_of
from tunedoctor.fleet.judge import plain
from tunedoctor.tables.load import table

OURS = "doctor: "
"""How each reason of the doctor's begins; what has another is left alone."""
SHARE = 10
"""One node in so many is out by the doctor, unless more are allowed: a wrong rule must not empty a cluster."""
_MANAGER = "tunedoctor"
"""Who Kubernetes notes as the owner of a field that the doctor set: one that is set anew by another is that one's."""
Verb = Literal["drain", "undrain", "cordon", "uncordon", "label", "unlabel"]


class State(NamedTuple):
    """What the manager of a cluster says of a node."""

    out: bool = False
    """Drained, cordoned or labelled, by anybody."""
    why: str = "none"
    ours: bool = False
    """Out by the doctor, and by nobody since."""
    serves: bool = True
    """Jobs can run on it."""


Held = Mapping[str, State]


def plan(
    verb: Verb, held: Held, causes: Mapping[str, str], well: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return node -> reason of what is to be done, and node -> why of who is left alone.

    `causes`: node -> reason, of those whose fault is their own. What is undone has the reason that it had.
    """
    ours = {name: one.why for name, one in held.items() if one.ours}
    if verb.startswith("un"):
        left = {name: causes.get(name, "not seen ready") for name in ours if name not in well}
        return {name: why for name, why in ours.items() if name in well}, left
    known = {name: why for name, why in causes.items() if name in held}
    # one that has another cause by now gets that as its reason
    acts = {name: why for name, why in known.items() if ours.get(name, "") != why}
    acts = {name: why for name, why in acts.items() if name in ours or not held[name].out}
    left = {name: held.get(name, State(why="not known there")).why for name in causes}
    return acts, {name: why for name, why in left.items() if name not in acts}


def refusal(acts: Collection[str], held: Held, asked: Collection[str], at_most: int) -> str:
    """Return why so many are not taken out, of the cluster or of those that were asked; "" where they may be."""
    if all(held[name].ours for name in acts):
        return ""
    out = {name for name, one in held.items() if one.ours or name in acts}
    for some, what in ((held.keys(), "the cluster's"), (held.keys() & {*asked}, "the asked")):
        mine, most = len(out & some), at_most or max(1, len(some) // SHARE)
        left = sum(held[name].serves and name not in acts for name in some)
        if mine > most:
            says = f"{mine} of {what} {len(some)} nodes would be out by the doctor, above {most}"
        elif not at_most and 2 * left < len(some) > 1:
            says = f"{left} of {what} {len(some)} nodes would stay in service, less than half"
        else:
            continue
        return f"{says}: --at-most {len(out)}"
    return ""


def held_by(verb: Verb, only: str = "") -> Held:
    """Ask the manager that an act is for; Slurm about one node alone, where it is named.

    ValueError or LookupError says why it does not tell.
    """
    if not verb.endswith("drain"):
        nodes = items_of("kubectl", "get", "nodes", "--output=json", "--show-managed-fields")
        return {node["metadata"]["name"]: _of_kubernetes(verb, node) for node in nodes}
    words, found = table("slurm"), dict[str, State]()
    for name, state, why in rows_of("%N|%T|%E", *([f"--nodes={only}"] if only else [])):
        out, reason = words["drained"] in state, plain(why)
        serves = not out and not state.startswith((*words["gone"],))
        found[name] = State(out, reason, out and reason.startswith(OURS), serves)
    return found


def _of_kubernetes(verb: Verb, node: Any) -> State:  # noqa: ANN401  any JSON
    about, out = node["metadata"], bool(node["spec"].get("unschedulable"))
    serves = not out and ready_condition(node).get("status") == "True"
    why = plain(about.get("annotations", {}).get(_note(verb), ""))
    if verb.endswith("label"):
        out = ours = "tunedoctor/cause" in about.get("labels", {})
    else:
        # an annotation alone outlives a cordon that somebody took back and set again
        owned = [one for one in about.get("managedFields", ()) if one.get("manager") == _MANAGER]
        specs = [one.get("fieldsV1", {}).get("f:spec", {}) for one in owned]
        ours = out and any("f:unschedulable" in one for one in specs)
    ours = ours and why.startswith(OURS)
    return State(out, why if ours else "by somebody else", ours, serves)


def argv_of(verb: Verb, node: str, reason: str) -> list[str]:
    """Return what is run. Names are the manager's own."""
    if verb.endswith("drain"):
        how = ["State=DRAIN", f"Reason={reason}"] if verb == "drain" else ["State=RESUME"]
        return ["scontrol", "update", f"NodeName={node}", *how]
    does, undone = verb.removeprefix("un"), verb.startswith("un")
    patch: dict[str, Any] = {"metadata": {"annotations": {_note(verb): None if undone else reason}}}
    if does == "label":
        patch["metadata"]["labels"] = {"tunedoctor/cause": None if undone else reason.split()[1]}
    else:
        patch["spec"] = {"unschedulable": None if undone else True}
    how = ["--type=merge", f"--field-manager={_MANAGER}", f"--patch={json.dumps(patch)}"]
    return ["kubectl", "patch", "node", node, *how]


def _note(verb: Verb) -> str:
    return f"tunedoctor/{verb.removeprefix('un')}"
