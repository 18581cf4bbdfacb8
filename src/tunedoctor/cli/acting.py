"""doctor fleet --drain and its like: what is to be done to nodes, shown, and with --yes carried out."""

import sys
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec

from tunedoctor.cli.options import Options, refusing
from tunedoctor.fleet.acts import Verb, argv_of, held_by, plan, refusal
from tunedoctor.fleet.answer import Fleet
from tunedoctor.fleet.beside import said
from tunedoctor.fleet.judge import Job, plain
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.snapshot import LARGEST
from tunedoctor.model.wording import ago
from tunedoctor.render.formats.line import line_of
from tunedoctor.system.reading import read_regular

UNTOLD = "; not told: "
"""What stands before a check of the node that could not tell, where the findings are a user's."""


class _Head(msgspec.Struct):
    taken: str = ""


def verbs_of(given: Namespace) -> list[Verb]:
    """Return the acts that are asked for."""
    return [one for one in get_args(Verb) if getattr(given, one)]


def dated(jobs: Iterable[Job], old: dict[int, str], hours: float) -> Iterator[Job]:
    """Hand on what files hold, and note in `old` the number of each that says nothing of now, and why."""
    for number, job in enumerate(jobs):
        name, data = (job.name, job.snapshot) if isinstance(job, Reply) else (job[1], b"")
        taken, fresh = "", False
        with suppress(OSError, ValueError, TypeError):  # no time, or one without its zone
            head = msgspec.json.decode(data or read_regular(name, LARGEST), type=_Head)
            taken = plain(head.taken)
            # a clock that goes ahead as far is no better
            fresh = abs(datetime.now(UTC) - datetime.fromisoformat(taken)) <= timedelta(hours=hours)
        if not fresh:
            old[number] = f"{plain(name)} was taken {ago(taken)} ({taken or 'it tells no time'})"
        yield job


def act(given: Namespace, found: Fleet, options: Options, old: Mapping[int, str]) -> bool:
    """Say on stderr what is to be done, and with --yes do it; return whether all went well."""
    names = {one.node for one in found.nodes}
    causes, well, aged = dict[str, str](), set[str](), dict[str, str]()
    for number, one in enumerate(found.nodes):
        # who is told of twice is nobody's node: which of the two holds, nobody knows
        name = f"{one.node}#1" if f"{one.node}#2" in names else one.node
        whose = "".join(one.why.split()[1:2]) if one.verdict == "findings" else one.verdict
        if whose == "[node]":
            causes[name] = line_of(one.why).strip()
        elif whose == "ready" and options.fail_on != "never":
            well.add(name)
        elif whose == "[user]" and UNTOLD not in one.why:
            well.add(name)  # all that is left is none of the node's
        if number in old:
            aged[name] = old[number]
    ends = [_done(verb, given, (causes, well, aged, names)) for verb in verbs_of(given)]
    return all(ends)


def _done(
    verb: Verb,
    given: Namespace,
    seen: tuple[Mapping[str, str], set[str], Mapping[str, str], Collection[str]],
) -> bool:
    """Plan one act; `seen`: causes of nodes, those that are well, what is old of files, and all nodes."""
    causes, well, aged, names = seen
    undoes, only = verb.startswith("un"), next(iter(names)) if len(names) == 1 else ""
    stale = {name: why for name, why in aged.items() if name in (well if undoes else causes)}
    fresh = {name: why for name, why in causes.items() if name not in stale}
    refused = ""
    with refusing((OSError, ValueError, LookupError), "doctor explain fleet", f"--{verb}: "):
        held = held_by(verb, only)
        acts, left = plan(verb, held, {**fresh, **stale} if undoes else fresh, well - aged.keys())
        if verb in ("drain", "cordon") and acts:
            refused = refusal(acts, held_by(verb) if only else held, names, given.at_most)
    left |= {} if undoes else stale
    lines = [f"left alone  {node}  {why}" for node, why in left.items()]
    too_old = stale.keys() & left.keys()
    does, went_well = given.yes and not refused, not refused and not too_old
    for node, why in acts.items():
        try:
            if does:
                said(*argv_of(verb, node, why))
            lines.append(f"{verb if does else f'would {verb}'}  {node}  {why}")
        except ValueError as error:
            lines.append(f"can't {verb}  {node}  {error}")
            went_well = False
    if too_old:
        lines.append(f"Too old to go by, above {given.max_age:g} h: ask anew, or --max-age HOURS")
    if refused:
        lines.append(f"Nothing is done: {refused} allows it.")
    elif not does:
        lines.append("Next: the same with --yes does it." if acts else f"No node to {verb}.")
    sys.stderr.write("\n".join([*lines, ""]))
    return went_well
