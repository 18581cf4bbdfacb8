"""doctor update."""

import os
import sys
from argparse import Namespace
from datetime import UTC, datetime

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import asker
from tunedoctor.installers.sources import own
from tunedoctor.model.wording import listed
from tunedoctor.probes.settings import project_file
from tunedoctor.refresh.index import indexes
from tunedoctor.refresh.update import Mode, Outcome, UpdateError, update
from tunedoctor.render.screen import as_json
from tunedoctor.tables.load import cache_file

SCHEMA = "doctor.update/1"
MANY = 5
"""Kept builds that are named; the rest is counted."""


def command(given: Namespace) -> int:
    """Bring the wheel table up to date and say what changed; returns 0, or 2 where that can't be."""
    in_json = given.format == "json"
    # a project's settings can forbid the network; which index is asked is the user's to set
    ban = own(os.environ, sys.prefix, project_file()).ban
    try:
        if says := "--offline" if given.offline else ban.who if ban else "":
            return _refused(f"{says} says that no network is to be asked", in_json=in_json)
        default, client = asker()
        places = indexes(given.index, default)
        with spinner("reading") as one:
            one.watch(["the wheel index"])
            mode: Mode = "show" if given.dry_run else "now" if given.force else "due"
            outcome = update(cache_file(), places, datetime.now(UTC), mode, client)
    except UpdateError as error:
        return _refused(str(error), in_json=in_json)
    except ValueError as error:
        misuse(str(error), "name one as in https://download.pytorch.org/whl")
    write(as_json({"schema": SCHEMA, **outcome._asdict()}) if in_json else _text(outcome))
    return 0


def _refused(why: str, *, in_json: bool) -> int:
    if in_json:
        write(as_json({"schema": SCHEMA, "state": "refused", "why": why}))
    else:
        sys.stderr.write(f"doctor: {why}; the wheel table stays as it was\n")
    return 2


def _text(outcome: Outcome) -> str:
    shown = screen()
    if outcome.state == "recent":
        shown.wrap(
            f"The wheel table of {outcome.date} was updated within the last day; --force asks again."
        )
        return shown.text()
    shown.line("Would change:" if outcome.state == "shown" else "The wheel table is up to date:")
    new = "the code for GPUs is not told: chosen where nothing older fits"
    for text in (
        *(outcome.changes or ["nothing new"]),
        *([f"of {listed(outcome.new)} {new}"] if outcome.new else ()),
        *(f"left out: {one}" for one in outcome.left_out),
        *(f"not told: {one}" for one in outcome.untold),
        *(
            [f"kept, though the index does not name it: {listed(outcome.kept, MANY)}"]
            * bool(outcome.kept)
        ),
    ):
        shown.wrap(text, 2)
    dates = f"in use until now {outcome.before}, shipped {outcome.shipped}"
    if outcome.state == "updated":
        dates = f"now of {outcome.date}; {dates}; it lies in {outcome.file}"
    shown.wrap(f"Wheel table: {dates}.")
    shown.next("doctor wheel chooses by it")
    return shown.text()
