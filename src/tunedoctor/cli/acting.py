"""doctor fleet --drain and its like: what is to be done to nodes, shown, and with --yes carried out."""

import sys
from argparse import Namespace
from typing import get_args

from tunedoctor.cli.options import Options, refusing
from tunedoctor.fleet.acts import Verb, carry_out, held_by, plan
from tunedoctor.fleet.answer import Fleet
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.render.formats.line import line_of, of_finding
from tunedoctor.render.formats.words import owner


def act(given: Namespace, found: Fleet, options: Options) -> bool:
    """Say on stderr what is to be done, and with --yes do it; return whether all went well."""
    verb: Verb | None = next((one for one in get_args(Verb) if getattr(given, one)), None)
    if verb is None:
        return True
    bar = -1 if options.fail_on == "never" else SEVERITIES.index(options.fail_on)
    grave = SEVERITIES[: bar + 1]
    known = [one.finding for one in found.causes if one.finding.severity in grave]  # worst first
    causes: dict[str, str] = {}
    for one in found.nodes:
        own = [f for f in known if f.id in one.findings and owner(f) == "node"]
        if own and one.verdict == "findings":
            causes[one.node] = line_of(of_finding(own[0])).strip()
    ready = {one.node for one in found.nodes if one.reached and one.verdict == "ready"}
    with refusing((OSError, ValueError, LookupError), "doctor explain fleet", f"--{verb}: "):
        acts, left, refused = plan(verb, held_by(verb), causes, ready, given.at_most)
    lines = [f"left alone  {node}  {why}" for node, why in left.items()]
    well, does = not refused, given.yes and not refused
    for node, why in acts.items():
        wrong = carry_out(verb, node, why) if does else ""
        well &= not wrong
        said = f"can't {verb}" if wrong else verb if does else f"would {verb}"
        lines.append(f"{said}  {node}  {wrong or why}")
    if refused:
        lines.append(f"Nothing is done: {refused} allows it.")
    elif not does:
        lines.append("Next: the same with --yes does it." if acts else f"No node to {verb}.")
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return well
