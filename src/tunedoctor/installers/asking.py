"""The user's sources, asked: who does not answer is known before uv waits for it, and a lack is told per source."""

import hashlib
import os
import tempfile
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path

import msgspec

from tunedoctor.facts import Packages
from tunedoctor.installers.answers import NoSolution
from tunedoctor.installers.answers import Pin as Found
from tunedoctor.installers.installed import stand_ins
from tunedoctor.installers.reach import Heard, heard
from tunedoctor.installers.sources import Source, Sources
from tunedoctor.installers.uv import Failed, Outcome, Question, Solved, find_uv, resolve
from tunedoctor.plan import Install, Pin
from tunedoctor.refresh.index import standard_index, wheels_of

_PROBED = "torch"
"""What is asked for to see whether a source answers; that it lacks it is an answer."""
_NAMED = 3
"""Packages that are told of."""


class Asking:
    """One run's view of the sources; each is asked once whether it answers."""

    def __init__(self, sources: Sources, installed: Packages | None = None) -> None:
        """Ask nobody yet; `installed` is what the target holds."""
        self.declared = sources
        self.installed = installed
        self._heard: dict[str, Heard] = {}
        self._filled = False

    def resolve(self, question: Question) -> Outcome:
        """Ask uv over the sources that answer; a later question first of the cache that the first one filled.

        An index that names no time for which its pages hold is asked for each of them again with each question. That
        there is no set, or which files exact versions have, the cache tells as well; of a set it may hold older
        versions alone.
        """
        return self._asked(question, None if question.hashes else ())

    def _asked(self, question: Question, again: Collection[str] | None) -> Outcome:
        """Ask; `again`: what is put in anew, so that what is installed does not stand for it."""
        question = question._replace(index_url=self.declared.placed(question.index_url))
        known = self.declared if question.offline else self.answering(question.index_url)
        if isinstance(known, Failed):
            return known
        index = "" if question.index_url in self.silent else question.index_url
        question = question._replace(index_url=index)
        with self._with_installed(known, again) as every:
            if self._filled and not question.offline:
                told = resolve(question._replace(offline=True), every)
                exact = isinstance(told, Solved) and not question.dependencies
                if exact or isinstance(told, NoSolution):
                    return told
            self._filled = True
            return resolve(question, every)

    def look_up(
        self, install: Install, python: str, installed: Mapping[str, str]
    ) -> Install | NoSolution | Failed:
        """Return an install with all its pins, hashes and sizes, which hold the fetch and the install to these files.

        `python` is the target's interpreter; `installed` versions are kept where they serve. Packages that need no
        change are left out of what comes with the pins. Where PyTorch's index answers, the install names it.
        """
        # what was drafted before the user agreed to a mirror names the index itself
        install = msgspec.structs.replace(install, index=self.declared.placed(install.index))
        if install.no_deps and all(pin.hashes for pin in install.pins):
            return install
        there = {} if install.no_deps else installed
        question = Question(
            tuple(pin.requirement for pin in install.pins),
            preferred=tuple(f"{name}=={version}" for name, version in there.items() if version),
            interpreter=python,
            index_url=install.index,
            locked=True,
            dependencies=not install.no_deps,
        )
        if isinstance(known := self.answering(install.index), Failed):
            return known
        if install.index in self.silent:
            # without its label a build is known by its index alone
            if any(one.name == _PROBED and "+" not in one.version for one in install.pins):
                return Failed("network", _dead([self._heard[install.index]]))
            install = msgspec.structs.replace(install, index="")
        found = self._asked(question, {*install.reinstall, *(one.name for one in install.pins)})
        return self._pinned(install, installed, found.pins) if isinstance(found, Solved) else found

    def _pinned(
        self, install: Install, installed: Mapping[str, str], found: Iterable[Found]
    ) -> Install:
        asked, again = {pin.name: pin for pin in install.pins}, set(install.reinstall)
        pins: list[Pin] = []
        for one in found:
            told, was = asked.get(one.name), installed.get(one.name, "")
            if told is None and was == one.version and one.name not in again:
                continue
            told = told or Pin(name=one.name, version=one.version, was=was)
            # of a folder uv gives no hashes where it need not open the wheel
            hashes = told.hashes or one.hashes or self._hashes(one)
            known = {"version": one.version, "hashes": hashes, "download_bytes": one.size}
            pins.append(msgspec.structs.replace(told, **known))
        return msgspec.structs.replace(install, pins=tuple(pins), no_deps=True)

    def _hashes(self, pin: Found) -> tuple[str, ...]:
        """Return the hashes of a package's wheels in the user's folders."""
        hashes: list[str] = []
        for folder in (one.folder for one in self.declared.links if one.folder):
            with suppress(OSError):
                for name, version, _ in wheels_of(pin.name, os.listdir(folder)):  # noqa: PTH208  names alone
                    if str(version) == pin.version:
                        with (folder / name).open("rb") as stream:
                            digest = hashlib.file_digest(stream, "sha256").hexdigest()
                        hashes.append(f"sha256:{digest}")
        return tuple(hashes)

    @contextmanager
    def _with_installed(self, known: Sources, but: Collection[str] | None) -> Generator[Sources]:
        """Add what is installed as a source of metadata where no index has them; name the one that is asked."""
        if not (known.index or known.no_index or known.offline) and self._heard:
            # as uv writes it, so that both fill one cache, and what was read of it holds
            standard = Source(self._standard.url.rstrip("/"))
            known = msgspec.structs.replace(known, index=standard if standard.url else None)
        if not known.no_index or self.installed is None or but is None:
            yield known
            return
        with tempfile.TemporaryDirectory(prefix="doctor-installed-") as folder:
            stand_ins(Path(folder), self.installed, but)
            yield msgspec.structs.replace(known, links=(*known.links, Source(folder)))

    def answering(self, index: str = "") -> Sources | Failed:
        """Return the sources without those that nobody named and that do not answer, or why none is left.

        An index that the user named is not passed over for another one, which anybody could fill with packages of
        its names: where it does not answer, folders of the user are all that is left.
        """
        known = self.declared
        every = self._indexes(index)
        new = [one for one in every if one.url not in self._heard]
        for one in heard(new, _PROBED, known, whole=False):
            self._heard[one.source.url] = one
        dead = [self._heard[one.url] for one in every if one.url in self.silent]
        named = [one for one in dead if one.source.place]
        folders = tuple(one for one in known.links if one.folder)
        if dead and (named or len(dead) == len(every)):
            if not folders:
                return Failed("network", _dead(named or dead))
            who = (named or dead)[0].source
            return msgspec.structs.replace(known, no_index=who.place or who.url, links=folders)
        if dead and every[-1].url in self.silent:
            # the standard one is out of reach: another stands in its place, or uv would wait for it
            there = next(one for one in reversed(every) if one.url not in self.silent)
            return msgspec.structs.replace(known, index=there)
        return known

    @property
    def best(self) -> Sources:
        """The sources that answer, or all where that leaves none."""
        known = self.answering()
        return self.declared if isinstance(known, Failed) else known

    def _indexes(self, index: str) -> tuple[Source, ...]:
        """Return all indexes, the default one last; none where the user forbids to ask."""
        known = self.declared
        if known.no_index or known.offline:
            return ()
        every = (Source(index), *known.extra, known.index or self._standard)
        return tuple(one for one in every if one.url)

    @cached_property
    def _standard(self) -> Source:
        return Source(standard_index(find_uv()))

    @property
    def silent(self) -> set[str]:
        """URLs of the sources that did not answer."""
        return {url for url, one in self._heard.items() if one.why}

    @property
    def partly(self) -> bool:
        """Whether an index did not answer that is asked for every package: PyTorch's is asked for torch alone."""
        return any(one.url in self.silent for one in self._indexes(""))

    def held(self, index: str) -> tuple[str, ...]:
        """Return the versions of torch that the user's sources have, where PyTorch's index does not answer; else ()."""
        known, index = self.declared, self.declared.placed(index)
        if known.offline or isinstance(self.answering(index), Failed):
            return ()
        if not known.no_index and index not in self.silent:
            return ()
        indexes = () if known.no_index else (*known.extra, known.index)
        places = (one for one in (*known.links, *indexes) if one)
        found = (version for one in heard(places, _PROBED, known) for version in one.versions)
        return tuple(dict.fromkeys(found))

    def lacking(self, names: Iterable[str], index: str = "") -> str:
        """Return in words what each source has of some packages."""
        known = self.declared
        places = (*self._indexes(index), *known.links)
        told = [
            one.of(name)
            for name in islice(dict.fromkeys(names), _NAMED)
            for one in heard(places, name, known)
        ]
        return "; ".join(dict.fromkeys(told))


def _dead(dead: list[Heard]) -> str:
    said = "; ".join(f"{one.source.shown}: {one.why}" for one in dead)
    return f"no answer from the package source{'s' * (len(dead) > 1)} {said}"
