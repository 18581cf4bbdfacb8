"""doctor update."""

import sys

from tunedoctor.cli.command_options import UpdateOptions
from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import screen, write
from tunedoctor.core.update import update
from tunedoctor.model.wording import listed
from tunedoctor.refresh.update import UpdateError, UpdateResult
from tunedoctor.render.screen import as_json

SCHEMA = "doctor.update/1"
MANY = 5
"""Kept builds that are named; the rest is counted."""


def run_update(arguments: UpdateOptions) -> int:
    """Update the wheel table and print the changes; return 0, or 2 if it could not be updated."""
    in_json = arguments.format == "json"
    try:
        outcome = update(
            index=arguments.index,
            force=arguments.force,
            dry_run=arguments.dry_run,
            offline=arguments.offline,
            interaction=TERMINAL,
        )
    except UpdateError as error:
        return _refused(str(error), in_json=in_json)
    write(as_json({"schema": SCHEMA, **outcome._asdict()}) if in_json else _text(outcome))
    return 0


def _refused(why: str, *, in_json: bool) -> int:
    if in_json:
        write(as_json({"schema": SCHEMA, "state": "refused", "why": why}))
    else:
        sys.stderr.write(f"doctor: {why}; the wheel table is unchanged\n")
    return 2


def _text(outcome: UpdateResult) -> str:
    page = screen()
    if outcome.state == "recent":
        page.wrap(
            f"The wheel table of {outcome.date} was updated within the last day; --force asks again."
        )
        return page.text()
    page.line("Would change:" if outcome.state == "shown" else "The wheel table is up to date:")
    new = "supported GPUs unknown, so only chosen if nothing older fits"
    for text in (
        *(outcome.changes or ["nothing new"]),
        *([f"{listed(outcome.new)}: {new}"] if outcome.new else ()),
        *(f"left out: {text}" for text in outcome.left_out),
        *(f"unknown: {text}" for text in outcome.untold),
        *(
            [f"kept, although the index no longer lists it: {listed(outcome.kept, MANY)}"]
            * bool(outcome.kept)
        ),
    ):
        page.wrap(text, 2)
    dates = f"until now {outcome.before}, shipped {outcome.shipped}"
    if outcome.state == "updated":
        dates = f"now of {outcome.date}; {dates}; stored in {outcome.file}"
    page.wrap(f"Wheel table: {dates}.")
    page.next(("doctor wheel", "choose a build with it"))
    return page.text()
