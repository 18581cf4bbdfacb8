"""The user's package sources for a command, and those of the folder, which need a word of the user's."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.clean import clean_text
from tunedoctor.cli.options import settings
from tunedoctor.config import mirrors
from tunedoctor.facts import Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Source, Sources, sources
from tunedoctor.probes.installer_config import of_folder, settings_of


class Consent(NamedTuple):
    """What the user says of sources that only the folder names."""

    given: bool = False
    """--allow-project-sources."""
    ask: bool = False
    """There is somebody to ask."""


def asking(consent: Consent, prefix: str = "", installed: Packages | None = None) -> Asking:
    """Return the sources to ask; `prefix` is the environment's, which can hold a pip.conf."""
    own, here = settings_of(os.environ, prefix), Path.cwd()
    theirs, config = of_folder(here), settings()
    named = {one.shown for one in _places(sources(theirs, {}))}
    named |= {f"{url} ({here / 'pyproject.toml'})" for url in config.mirrors.values()}
    agreed = bool(named) and _agreed(consent, sorted(named))
    known = sources([*own, *(theirs if agreed else ())], os.environ)
    mirror = {name: Source(one.url, one.place) for name, one in mirrors().items()}
    if agreed:
        mirror |= {
            n: Source(url, str(here / "pyproject.toml")) for n, url in config.mirrors.items()
        }
    known = msgspec.structs.replace(
        known,
        index=known.index or mirror.get("default"),
        pytorch=mirror["pytorch"].url if "pytorch" in mirror else "",
    )
    return Asking(known, installed)


def _places(found: Sources) -> tuple[Source, ...]:
    every = (*((found.index,) if found.index else ()), *found.extra, *found.links)
    bans = tuple(Source("no index", who) for who in (found.no_index, found.offline) if who)
    return (*every, *found.constraints, *bans, *map(Source, (*found.limits, *found.trusted)))


def _agreed(consent: Consent, named: list[str]) -> bool:
    text = clean_text(f"this folder names package sources: {'; '.join(named)}")
    if consent.given:
        sys.stderr.write(f"doctor: {text}; they are used\n")
        return True
    if consent.ask:
        sys.stderr.write(f"doctor: {text}\nUse them? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    sys.stderr.write(f"doctor: {text}; not used: --allow-project-sources takes them\n")
    return False
