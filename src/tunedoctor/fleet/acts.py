"""Take nodes out of service, or back: a plan first, of what a cluster's manager says and of the nodes' own causes."""

from collections.abc import Collection, Mapping
from typing import Literal

from tunedoctor.fleet.beside import items_of, rows_of
from tunedoctor.fleet.judge import plain

OURS = "doctor: "
"""How each reason of the doctor's begins; what has another is left alone."""
SHARE = 10
"""One node in so many is out by the doctor, unless more are allowed: a wrong rule must not empty a cluster."""
Verb = Literal["drain", "undrain", "cordon", "uncordon", "label", "unlabel"]
Held = Mapping[str, tuple[bool, str]]
"""Node -> whether it is out of service, or labelled, and for what reason, as the manager of the cluster has it."""


def plan(
    verb: Verb, held: Held, causes: Mapping[str, str], ready: Collection[str], at_most: int | None
) -> tuple[dict[str, str], dict[str, str], str]:
    """Return node -> reason of what is to be done, node -> why of who is left alone, and why nothing is done at all.

    `causes`: node -> reason, of those whose fault is their own. What is undone has the reason that it had.
    """
    ours = {name: why for name, (out, why) in held.items() if out and why.startswith(OURS)}
    if verb.startswith("un"):
        left = {name: causes.get(name, "not seen ready") for name in ours if name not in ready}
        return {name: why for name, why in ours.items() if name in ready}, left, ""
    acts = {name: why for name, why in causes.items() if not held.get(name, (True, ""))[0]}
    left = {name: held.get(name, (0, "not known there"))[1] for name in causes if name not in acts}
    wants, most = len(ours) + len(acts), at_most or max(1, len(held) // SHARE)
    refused = f"{wants} of {len(held)} nodes would be out, above {most}: --at-most {wants}"
    return acts, left, refused if verb != "label" and acts and wants > most else ""


def held_by(verb: Verb) -> Held:
    """Ask the manager that an act is for; ValueError or LookupError says why it does not tell."""
    if verb.endswith("drain"):
        rows = rows_of("%N|%T|%E")
        return {name: ("drain" in state, plain(why)) for name, state, why in rows}
    found: dict[str, tuple[bool, str]] = {}
    for node in items_of("kubectl", "get", "nodes", "-o", "json"):
        about, out = node["metadata"], bool(node["spec"].get("unschedulable"))
        out = "tunedoctor/cause" in about.get("labels", {}) if verb.endswith("label") else out
        found[about["name"]] = out, plain(about.get("annotations", {}).get(_note(verb), ""))
    return found


def argvs(verb: Verb, node: str, reason: str) -> list[list[str]]:
    """Return what is run. Names are the manager's own; a note comes before what it explains, and goes after it."""
    if verb.endswith("drain"):
        how = ["State=DRAIN", f"Reason={reason}"] if verb == "drain" else ["State=RESUME"]
        return [["scontrol", "update", f"NodeName={node}", *how]]
    label, note = (["kubectl", one, "node", node, "--overwrite"] for one in ("label", "annotate"))
    label.append(
        f"tunedoctor/cause={reason.split()[1]}" if verb == "label" else "tunedoctor/cause-"
    )
    does = label if verb.endswith("label") else ["kubectl", verb, node]
    if verb.startswith("un"):
        return [does, [*note, f"{_note(verb)}-"]]
    return [[*note, f"{_note(verb)}={reason}"], does]


def _note(verb: Verb) -> str:
    return f"tunedoctor/{verb.removeprefix('un')}"
