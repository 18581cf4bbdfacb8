"""The package sources of the user, and those of the folder, which count only if the user allows them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunedoctor.core.criteria import NO_SETTINGS
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import PackageSource, Sources, sources
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.settings import (
    Setting,
    of_folder,
    settings_of,
    without_credentials,
)
from tunedoctor.refresh.fetch import Client
from tunedoctor.tables.config import Settings, mirrors


def asking(
    snapshot: Snapshot | None,
    settings: Settings = NO_SETTINGS,
    *,
    allowed: bool = False,
    ask: bool = False,
    interaction: Interaction = SILENT,
) -> Asking:
    """Return the sources to ask: those of the user, and of an environment, which can hold a pip.conf.

    Sources that only the folder names are used if the user has `allowed` them, or agrees.
    """
    interpreter = snapshot.find(Interpreter) if snapshot else None
    prefix = interpreter.prefix if interpreter else ""
    here, held = Path.cwd(), settings
    theirs, file = of_folder(here), str(here / (held.file or "pyproject.toml"))
    urls = {str(name): PackageSource(url, file) for name, url in held.config.mirrors.items()}
    named = {one.label for one in (*_places(sources(theirs, {})), *urls.values())}
    if not named or not _agreed(sorted(named), interaction, allowed=allowed, ask=ask):
        theirs, urls = [], {}
    return Asking(
        _mirrored([*settings_of(os.environ, prefix), *theirs], urls),
        snapshot.find(Packages) if snapshot else None,
    )


def asker() -> tuple[str, Client]:
    """Return the URL of the user's default index without credentials ("" if none is set), and a client for it."""
    known = _mirrored(settings_of(os.environ, sys.prefix), {})
    url = without_credentials(known.index.url) if known.index else ""
    return url, known.client(os.environ)


def _mirrored(found: list[Setting], theirs: Mapping[str, PackageSource]) -> Sources:
    """Return the sources of settings with the mirrors of the user's file, and those of the folder."""
    known = sources(found, os.environ)
    mirror = {name: PackageSource(one.url, one.place) for name, one in mirrors().items()} | {
        **theirs
    }
    pytorch = mirror["pytorch"].url if "pytorch" in mirror else ""
    index = known.index or mirror.get("default")
    return msgspec.structs.replace(known, index=index, pytorch=pytorch)


def _places(found: Sources) -> tuple[PackageSource, ...]:
    every = (*((found.index,) if found.index else ()), *found.extra, *found.links)
    bans = tuple(PackageSource("no index", who) for who in (found.no_index, found.offline) if who)
    return (*every, *found.constraints, *bans, *map(PackageSource, (*found.limits, *found.trusted)))


def _agreed(named: list[str], interaction: Interaction, *, allowed: bool, ask: bool) -> bool:
    text = clean_text(f"this folder names package sources: {'; '.join(named)}")
    if allowed:
        interaction.say(f"{text}; they are used")
        return True
    if ask:
        return interaction.confirm(f"doctor: {text}\nUse them?")
    interaction.say(f"{text}; not used; --allow-project-sources uses them")
    return False
