"""Which source answers, and what it holds of a package: all are asked at once, each for a second or two."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tunedoctor.clean import clean_text
from tunedoctor.installers.sources import Source, Sources
from tunedoctor.refresh.fetch import Client, FetchError, Limits
from tunedoctor.refresh.index import parsed, wheels_of

_SOON = Limits(seconds=5.0, connect=1.5)
"""Who is there takes some hundredths."""
_LACKS = (401, 403, 404, 410)
"""What a source lacks is not found, or forbidden; whom it does not know yet uv may have the password of."""
_SHOWN = 3


class Heard(NamedTuple):
    """What a source says of one package."""

    source: Source
    why: str = ""
    """Why it gave no answer; "" where it did."""
    versions: tuple[str, ...] = ()
    """The newest that it holds, newest first."""
    place: str = ""
    """Where its answer leads and nobody looked, as an installer does."""

    def of(self, name: str) -> str:
        """Return it in words."""
        if self.why:
            return f"{self.source.shown} did not answer: {self.why}"
        if self.place:
            return f"{self.source.shown} leads to {self.place} for {name}, where nobody looked"
        held = ", ".join(self.versions[:_SHOWN])
        return f"{self.source.shown} has {f'{name} {held}' if held else f'no {name}'}"


def heard(
    several: Iterable[Source], name: str, known: Sources, *, whole: bool = True
) -> tuple[Heard, ...]:
    """Ask every source for a package, in their order; not `whole`: only whether it answers."""
    asked = tuple(several)
    if not asked:
        return ()
    client = known.client(os.environ)._replace(limits=_SOON)
    with ThreadPoolExecutor(len(asked)) as pool:
        return tuple(pool.map(lambda one: _ask(one, name, known, client, whole), asked))


def _ask(one: Source, name: str, known: Sources, client: Client, whole: bool) -> Heard:  # noqa: FBT001
    try:
        if one.folder:
            return Heard(one, versions=_newest(name, os.listdir(one.folder)))  # noqa: PTH208  names alone
        page = one.url if one in known.links else f"{one.url.rstrip('/')}/{name}/"
        links = parsed(client.get(page, whole=whole), page).links
        return Heard(one, versions=_newest(name, (link.name for link in links)))
    except FetchError as error:
        answered = error.place or error.status in _LACKS
        return Heard(one, "" if answered else error.what, place=error.place)
    except OSError as error:
        return Heard(one, clean_text(error.strerror or str(error))[:200])


def _newest(name: str, files: Iterable[str]) -> tuple[str, ...]:
    """Return the versions of the wheels of a package among file names, newest first."""
    return tuple(map(str, sorted({v for _, v, _ in wheels_of(name, files)}, reverse=True)))
