"""doctor fleet --drain and its like: what is to be done to nodes, shown, and with --yes carried out."""

import sys
from argparse import Namespace
from typing import get_args

from tunedoctor.cli.options import Options, refusing
from tunedoctor.fleet.acts import Verb, argvs, held_by, plan
from tunedoctor.fleet.answer import Fleet
from tunedoctor.fleet.beside import said
from tunedoctor.render.formats.line import line_of


def act(given: Namespace, found: Fleet, options: Options) -> bool:
    """Say on stderr what is to be done, and with --yes do it; return whether all went well."""
    verb: Verb | None = next((one for one in get_args(Verb) if getattr(given, one)), None)
    if verb is None:
        return True
    names, ready, causes = {one.node for one in found.nodes}, set[str](), dict[str, str]()
    for one in found.nodes:
        # who is told of twice is nobody's node: which of the two holds, nobody knows
        name = f"{one.node}#1" if f"{one.node}#2" in names else one.node
        if one.verdict == "findings" and one.why.split()[1:2] == ["[node]"]:
            causes[name] = line_of(one.why).strip()
        elif one.reached and one.verdict == "ready" and options.fail_on != "never":
            ready.add(name)
    with refusing((OSError, ValueError, LookupError), "doctor explain fleet", f"--{verb}: "):
        acts, left, refused = plan(verb, held_by(verb), causes, ready, given.at_most)
    lines = [f"left alone  {node}  {why}" for node, why in left.items()]
    does, well = given.yes and not refused, not refused
    for node, why in acts.items():
        try:
            for argv in argvs(verb, node, why) if does else ():
                said(*argv)
            lines.append(f"{verb if does else f'would {verb}'}  {node}  {why}")
        except ValueError as error:
            lines.append(f"can't {verb}  {node}  {error}")
            well = False
    if refused:
        lines.append(f"Nothing is done: {refused} allows it.")
    elif not does:
        lines.append("Next: the same with --yes does it." if acts else f"No node to {verb}.")
    sys.stderr.write("\n".join([*lines, ""]))
    return well
