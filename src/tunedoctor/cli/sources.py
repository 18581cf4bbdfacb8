"""The user's package sources, those of the folder, which need the user's word; and doctor update, which asks them."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tunedoctor.cli.command_options import UpdateOptions
from tunedoctor.cli.options import settings
from tunedoctor.cli.output import agreed, screen, write
from tunedoctor.cli.progress import spinner
from tunedoctor.core.errors import misuse
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Source, Sources, own, sources
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import listed
from tunedoctor.probes.settings import (
    Setting,
    of_folder,
    project_file,
    settings_of,
    without_credentials,
)
from tunedoctor.refresh.fetch import Client
from tunedoctor.refresh.index import indexes
from tunedoctor.refresh.update import Mode, Outcome, UpdateError, update
from tunedoctor.render.screen import as_json
from tunedoctor.tables.config import mirrors
from tunedoctor.tables.load import cache_file

SCHEMA = "doctor.update/1"
MANY = 5
"""Kept builds that are named; the rest is counted."""


def asking(snapshot: Snapshot | None, *, allowed: bool, ask: bool) -> Asking:
    """Return the sources to ask: those of the user, and of an environment, which can hold a pip.conf.

    Those that only the folder names count where the user has `allowed` them, or can be asked.
    """
    interpreter = snapshot.find(Interpreter) if snapshot else None
    prefix = interpreter.prefix if interpreter else ""
    here, held = Path.cwd(), settings()
    theirs, file = of_folder(here), str(here / (held.file or "pyproject.toml"))
    urls = {str(name): Source(url, file) for name, url in held.config.mirrors.items()}
    named = {one.shown for one in (*_places(sources(theirs, {})), *urls.values())}
    if not named or not _agreed(sorted(named), allowed=allowed, ask=ask):
        theirs, urls = [], {}
    return Asking(
        _mirrored([*settings_of(os.environ, prefix), *theirs], urls),
        snapshot.find(Packages) if snapshot else None,
    )


def asker() -> tuple[str, Client]:
    """Return the URL of the user's default index without credentials, "" where they name none, and what asks it."""
    known = _mirrored(settings_of(os.environ, sys.prefix), {})
    url = without_credentials(known.index.url) if known.index else ""
    return url, known.client(os.environ)


def _mirrored(found: list[Setting], theirs: Mapping[str, Source]) -> Sources:
    """Return the sources of settings with the mirrors of the user's file, and those of the folder."""
    known = sources(found, os.environ)
    mirror = {name: Source(one.url, one.place) for name, one in mirrors().items()} | {**theirs}
    pytorch = mirror["pytorch"].url if "pytorch" in mirror else ""
    index = known.index or mirror.get("default")
    return msgspec.structs.replace(known, index=index, pytorch=pytorch)


def _places(found: Sources) -> tuple[Source, ...]:
    every = (*((found.index,) if found.index else ()), *found.extra, *found.links)
    bans = tuple(Source("no index", who) for who in (found.no_index, found.offline) if who)
    return (*every, *found.constraints, *bans, *map(Source, (*found.limits, *found.trusted)))


def _agreed(named: list[str], *, allowed: bool, ask: bool) -> bool:
    text = clean_text(f"this folder names package sources: {'; '.join(named)}")
    if allowed:
        sys.stderr.write(f"doctor: {text}; they are used\n")
        return True
    if ask:
        return agreed(f"doctor: {text}\nUse them?", sys.stderr)
    sys.stderr.write(f"doctor: {text}; not used: --allow-project-sources takes them\n")
    return False


def run_update(given: UpdateOptions) -> int:
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
    shown.next(("doctor wheel", "choose a build with it"))
    return shown.text()
