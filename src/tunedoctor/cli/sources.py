"""The user's package sources for a command, and those of the folder, which need a word of the user's."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from tunedoctor.clean import clean_text
from tunedoctor.cli.options import settings
from tunedoctor.config import mirrors
from tunedoctor.facts import Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Source, Sources, sources
from tunedoctor.installers.uv import Failed
from tunedoctor.probes.installer_config import of_folder, settings_of


class Consent(NamedTuple):
    """What the user says of sources that only the folder names."""

    given: bool = False
    """--allow-project-sources."""
    ask: bool = False
    """There is somebody to ask."""


def asking(consent: Consent, prefix: str = "", installed: Packages | None = None) -> Asking:
    """Return the sources to ask; `prefix` is the environment's, which can hold a pip.conf."""
    own = settings_of(os.environ, prefix)
    here = Path.cwd()
    theirs, config = of_folder(here), settings()
    found = sources(theirs, {})
    named = {f"{one.shown}" for one in _places(found)}
    named |= {f"{url} ({here / 'pyproject.toml'})" for url in config.mirrors.values()}
    if named and _agreed(consent, sorted(named)):
        own += theirs
        os.environ |= {f"DOCTOR_MIRROR_{n.upper()}": url for n, url in config.mirrors.items()}
    found = _mirrored(sources(own, os.environ))
    # what a file forbids is told like what a variable does: with who says so, and the way out
    bans = ("UV_NO_INDEX", found.no_index), ("DOCTOR_OFFLINE", found.offline)
    os.environ |= {name: who for name, who in bans if os.path.isabs(who)}  # noqa: PTH117
    return Asking(found, installed)


def settle(asked: Asking) -> None:
    """Say the sources in the variables of this process: whatever it starts goes by them."""
    known = asked.answering()
    said = (asked.declared if isinstance(known, Failed) else known).said(os.environ)
    for name in set(os.environ) - set(said):
        del os.environ[name]
    os.environ.update(said)


def _mirrored(known: Sources) -> Sources:
    """Put the mirror of the default index where the user's pip and uv name none."""
    import msgspec  # noqa: PLC0415

    mirror = mirrors().get("default")
    if mirror is None or known.index:
        return known
    return msgspec.structs.replace(known, index=Source(mirror.url, mirror.place))


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
