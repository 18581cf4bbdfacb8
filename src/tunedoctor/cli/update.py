"""doctor update."""

import os
import sys
from argparse import Namespace
from datetime import UTC, datetime

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import asker
from tunedoctor.installers.sources import own
from tunedoctor.probes.settings import project_file
from tunedoctor.refresh.index import indexes
from tunedoctor.refresh.update import Mode, Outcome, UpdateError, update
from tunedoctor.render.json import render
from tunedoctor.tables.load import cache_file
from tunedoctor.wording import listed

MANY = 5
"""Kept builds that are named; the rest is counted."""


def command(given: Namespace) -> int:
    """Bring the wheel table up to date and say what changed; returns 0, or 2 where that can't be."""
    format_ = given.format
    # a project's settings can forbid the network; which index is asked is the user's to set
    ban = own(os.environ, sys.prefix, project_file()).ban
    if says := "--offline" if given.offline else ban.who if ban else "":
        return _not(f"{says} says that no network is to be asked", format_)
    try:
        default, client = asker()
        places = indexes(given.index, default)
    except ValueError as error:
        misuse(str(error), "name one as in https://download.pytorch.org/whl")
    mode: Mode = "show" if given.dry_run else "now" if given.force else "due"
    try:
        with spinner() as one:
            one.watch(["wheel index"])
            outcome = update(cache_file(), places, datetime.now(UTC), mode, client)
    except UpdateError as error:
        return _not(str(error), format_)
    write(_json(outcome) if format_ == "json" else _text(outcome))
    return 0


def _not(why: str, format_: str) -> int:
    if format_ == "json":
        write(render({"schema": SCHEMA, "state": "refused", "why": why}))
    else:
        sys.stderr.write(f"doctor: {why}; the wheel table stays as it was\n")
    return 2


SCHEMA = "doctor.update/1"


def _json(outcome: Outcome) -> str:
    return render({"schema": SCHEMA, **outcome._asdict()})


def _text(outcome: Outcome) -> str:
    if outcome.state == "recent":
        return f"The wheel table of {outcome.date} was updated within the last day; --force asks again.\n"
    lines = [f"  {change}" for change in outcome.changes] or ["  nothing new"]
    head = "Would change:" if outcome.state == "shown" else "The wheel table is up to date:"
    lines = [head, *lines]
    if outcome.new:
        lines.append(
            f"  of {listed(outcome.new)} the code for GPUs is not told: chosen where nothing older fits"
        )
    lines += [f"  left out: {one}" for one in outcome.left_out]
    lines += [f"  not told: {one}" for one in outcome.untold]
    if outcome.kept:
        lines.append(f"  kept, though the index does not name it: {listed(outcome.kept, MANY)}")
    dates = f"in use until now {outcome.before}, shipped {outcome.shipped}"
    if outcome.state == "updated":
        dates = f"now of {outcome.date}; {dates}; it lies in {outcome.file}"
    return "\n".join([*lines, f"Wheel table: {dates}."]) + "\n"
