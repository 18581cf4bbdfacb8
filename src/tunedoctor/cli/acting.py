"""doctor fleet --drain and other actions: show what would be done to nodes, and do it with --yes."""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec

from tunedoctor.cli.command_options import FleetOptions
from tunedoctor.cli.options import Options
from tunedoctor.core.errors import refusing
from tunedoctor.fleet.acts import Verb, argv_of, held_by, plan, refusal
from tunedoctor.fleet.answer import Fleet
from tunedoctor.fleet.beside import said
from tunedoctor.fleet.judge import Job
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.snapshot import LARGEST
from tunedoctor.model.wording import ago
from tunedoctor.render.formats.line import line_of
from tunedoctor.system.reading import read_regular


def fresh(jobs: Iterable[Job], given: FleetOptions, options: Options) -> Iterator[Job]:
    """Return the replies; for an action, a machine with an old or incomplete file counts as not reached."""
    acts = [one for one in get_args(Verb) if given.files and getattr(given, one)]
    undoes = any(one.startswith("un") for one in acts)
    least = {
        one.id for one in options.criteria._replace(profile="node").checks() if not one.by_words
    }
    for job in jobs if acts else ():
        name, text = job if isinstance(job, tuple) else (job.name, job.snapshot)
        place = text if isinstance(text, str) else name
        try:
            data = read_regular(text, LARGEST) if isinstance(text, str) else text
            told, now = msgspec.json.decode(data), datetime.now(UTC)
            own = told.get("facts", {}).get("Node", {}).get("value", {}).get("name")
            name = str(told.get("node") or own or name)
            taken = datetime.fromisoformat(told["taken"])
            age = ago(str(taken)) if taken <= now else "by a clock that is fast"
            old = abs(now - taken) > timedelta(hours=given.max_age)
            why = f"was taken {age}, at {taken:%Y-%m-%d %H:%M}; --max-age HOURS" if old else ""
            if not why and undoes and "verdict" in told and not _whole(told, options, least):
                why = "is a report in which checks were left out or counted less"
        except Exception as error:  # noqa: BLE001  a file of anybody's
            why = f"does not say when it was taken: {error}"
        yield Reply(name, problem=f"{place} {why}") if why else job
    yield from () if acts else jobs


def _whole(told: dict[str, Any], options: Options, least: set[str]) -> bool:
    """Return whether a report has all checks of a node, and counts findings by the same severity as here."""
    found, fails = told["findings"], options.criteria.gate().fails
    ids = (one["id"] for one in (*found, *told["symptoms"]))
    counts = any(fails(one["severity"]) and not one["accepted"] for one in found)
    seen = {*told["passed"], *told["skipped"], *told["unknown"], *ids}
    return seen >= least and (told["verdict"] != "ready" or not counts)


def act(given: FleetOptions, found: Fleet, options: Options) -> bool:
    """Print the plan on stderr, and carry it out with --yes; return whether everything succeeded."""
    names, well, causes = {one.node for one in found.nodes}, set[str](), dict[str, str]()
    for one in found.nodes:
        # two answers claim to be this node, and it is unknown which one is right
        name = f"{one.node}#1" if f"{one.node}#2" in names else one.node
        whose = "".join(one.why.split()[1:2]) if one.verdict == "findings" else one.verdict
        if whose == "[node]":
            causes[name] = line_of(one.why).strip()
        elif whose == "[user]" or (whose == "ready" and options.criteria.fail_on != "never"):
            well.add(name)
    wanted = [one for one in get_args(Verb) if getattr(given, one)]
    return min([_done(one, given, causes, well, names) for one in wanted], default=True)


def _done(
    verb: Verb, given: FleetOptions, causes: dict[str, str], well: set[str], names: set[str]
) -> bool:
    only, refused = next(iter(names)) if len(names) == 1 else "", ""
    with refusing((OSError, ValueError, LookupError), "doctor explain fleet", f"--{verb}: "):
        held = held_by(verb, only)
        acts, left = plan(verb, held, causes, well)
        if verb in ("drain", "cordon") and acts:
            refused = refusal(acts, held_by(verb) if only else held, names, given.at_most or 0)
    lines = [f"left alone  {node}  {why}" for node, why in left.items()]
    does, went_well = given.yes and not refused, not refused
    for node, why in acts.items():
        try:
            if does:
                said(*argv_of(verb, node, why))
            lines.append(f"{verb if does else f'would {verb}'}  {node}  {why}")
        except ValueError as error:
            lines.append(f"can't {verb}  {node}  {error}")
            went_well = False
    if refused:
        lines.append(f"Nothing was done: {refused} allows it.")
    elif not does:
        lines.append(
            "Next: run the same command with --yes to do it" if acts else f"No node to {verb}."
        )
    sys.stderr.write("\n".join([*lines, ""]))
    return went_well
