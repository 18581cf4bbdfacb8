"""Ask the user's package sources: skip those that don't answer before uv waits for them, and report what each lacks."""

import hashlib
import os
import zipfile
from collections.abc import Collection, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import Packages
from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.sources import Source, Sources
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question, Solved, find_uv, resolve
from tunedoctor.model.plan import Install, Pin
from tunedoctor.refresh.fetch import Client, FetchError, Limits
from tunedoctor.refresh.index import parsed, sources_of, standard_index, wheels_of
from tunedoctor.system.scratch import scratch

_PROBED = "torch"
"""Package that is requested to see whether a source answers; "not found" is an answer too."""
_SOON = Limits(seconds=5.0, connect=1.5)
"""Time limits for that: a source that works answers within hundredths of a second."""
_LACKS = (401, 403, 404, 410)
"""Statuses of a source that lacks a package: not found or forbidden. uv may have the password that 401 asks for."""
_NAMED = 3
"""Most packages, and versions of each, that are listed."""


class Asking:
    """The package sources of one run; each is asked once whether it answers."""

    def __init__(self, sources: Sources, installed: Packages | None = None) -> None:
        self.declared = sources
        self.installed = installed
        self._heard: dict[str, Heard] = {}
        self._answers: dict[tuple[str, str], tuple[Heard, ...]] = {}

    def resolve(self, question: Question) -> Outcome:
        """Return uv's answer from the sources that respond."""
        return self._asked(question, None if question.hashes else ())

    def _asked(self, question: Question, again: Collection[str] | None) -> Outcome:
        """Ask uv; `again`: packages to reinstall, for which the installed version is no source."""
        index = self.declared.placed(question.index_url)
        known = self.answering(index)
        if isinstance(known, Failed):
            return known
        with self._with_installed(known, again) as every:
            reached = "" if index in self.silent else index
            return resolve(question._replace(index_url=reached), every)

    def look_up(
        self, install: Install, python: str, installed: Mapping[str, str]
    ) -> Install | NoSolution | Failed:
        """Return an install with all pins, hashes and sizes, so that exactly these files are fetched and installed.

        `python` is the target's interpreter; `installed` versions are kept if they fit. Dependencies that need no
        change are left out. The install names PyTorch's index if that answers.
        """
        # a plan made before the user agreed to a mirror still names PyTorch's own index
        install = replace(install, index=self.declared.placed(install.index))
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
            # a build without a version label can only be identified by its index
            if any(one.name == _PROBED and "+" not in one.version for one in install.pins):
                return Failed("network", _dead([self._heard[install.index]]))
            install = replace(install, index="")
        found = self._asked(question, {*install.reinstall, *(one.name for one in install.pins)})
        if not isinstance(found, Solved):
            return found
        asked, again = {pin.name: pin for pin in install.pins}, {*install.reinstall}
        pins: list[Pin] = []
        for one in found.pins:
            told, was = asked.get(one.name), installed.get(one.name, "")
            if told is None and was == one.version and one.name not in again:
                continue
            told = told or replace(one, was=was)
            # uv gives no hashes for wheels in a folder that it need not open
            files = self._files(one)
            hashes = told.hashes or one.hashes or tuple(map(_digest, files))
            size = one.download_bytes or max((file.stat().st_size for file in files), default=0)
            told = replace(one, was=told.was, via=told.via, hashes=hashes)
            pins.append(replace(told, download_bytes=size))
        return replace(install, pins=tuple(pins), no_deps=True)

    def _files(self, pin: Pin) -> list[Path]:
        files: list[Path] = []
        for folder in (one.folder for one in self.declared.links if one.folder):
            with suppress(OSError):
                every = wheels_of(pin.name, os.listdir(folder))  # noqa: PTH208  names alone
                files += [folder / one for one, version, _ in every if str(version) == pin.version]
        return [file for file in files if file.is_file() and os.access(file, os.R_OK)]

    @contextmanager
    def _with_installed(self, known: Sources, but: Collection[str] | None) -> Generator[Sources]:
        """Yield the sources with the default index, and without indexes with metadata of the installed packages."""
        if not (known.index or known.no_index or known.offline) and self._heard:
            # spelled as uv does, so that both use the same cache entries
            standard = Source(self._standard.url.rstrip("/"))
            known = replace(known, index=standard if standard.url else None)
        if not known.no_index or self.installed is None or but is None:
            yield known
            return
        with scratch() as folder:
            stand_ins(Path(folder), self.installed, but)
            yield replace(known, links=(*known.links, Source(folder)))

    def answering(self, index: str = "") -> Sources | Failed:
        """Return the sources without unconfigured ones that do not answer, or why none is left.

        An index that the user configured is never replaced by another one, where anyone could publish packages with
        the same names: if it does not answer, only the user's folders are left.
        """
        known, every = self.declared, self._indexes(index)
        new = [one for one in every if one.url not in self._heard]
        self._heard |= {one.source.url: one for one in heard(new, _PROBED, known, whole=False)}
        dead = [self._heard[one.url] for one in every if one.url in self.silent]
        named = [one for one in dead if one.source.place]
        if dead and (named or len(dead) == len(every)):
            folders = tuple(one for one in known.links if one.folder)
            if not folders:
                return Failed("network", _dead(named or dead))
            who = (named or dead)[0].source
            return replace(known, no_index=who.place or who.url, links=folders)
        if dead and every[-1].url in self.silent:
            # the standard index does not answer: make another one the default, or uv would wait for it
            there = next(one for one in reversed(every) if one.url not in self.silent)
            return replace(known, index=there)
        return known

    @property
    def best(self) -> Sources:
        """The sources that answer, or all if none does."""
        known = self.answering()
        return self.declared if isinstance(known, Failed) else known

    def _indexes(self, index: str = "") -> tuple[Source, ...]:
        """Return all indexes, the default one last; none if the user forbids indexes."""
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
        """Whether an index for all packages did not answer; PyTorch's is only used for torch."""
        return any(one.url in self.silent for one in self._indexes())

    def held(self, index: str) -> tuple[str, ...]:
        """Return the versions of torch in the user's sources if PyTorch's index does not answer; else ()."""
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
        """Return a text that says which versions of some packages each source has."""
        found = self.answers(names, index)
        told = (one.of(name) for name, several in found.items() for one in several)
        return "; ".join(dict.fromkeys(told))

    def answers(self, names: Iterable[str], index: str = "") -> dict[str, tuple["Heard", ...]]:
        """Return each source's answer for some packages, by name; each is asked once."""
        places = (*self._indexes(index), *self.declared.links)
        some = tuple(islice(dict.fromkeys(names), _NAMED))
        for name in some:
            if (name, index) not in self._answers:
                self._answers[name, index] = heard(places, name, self.declared)
        return {name: self._answers[name, index] for name in some}

    def source_only(self, names: Iterable[str]) -> dict[str, str]:
        """Return the packages that the sources only have as source distributions, with their newest version."""
        found: dict[str, str] = {}
        for name, several in self.answers(names).items():
            sources = [one.sources[0] for one in several if one.sources]
            if sources and not any(one.versions or one.why or one.place for one in several):
                found[name] = sources[0]
        return found


class Heard(NamedTuple):
    """A source's answer for one package."""

    source: Source
    why: str = ""
    versions: tuple[str, ...] = ()
    """Versions that it has as wheels, newest first."""
    sources: tuple[str, ...] = ()
    """Versions that it has as source distributions, newest first."""
    place: str = ""
    """Address that it redirects to, which installers would not follow and which was not searched."""

    def of(self, name: str) -> str:
        """Return the answer as text."""
        if self.why:
            return f"{self.source.shown} did not answer: {self.why}"
        if self.place:
            return (
                f"{self.source.shown} redirects to {self.place} for {name}, which was not searched"
            )
        held = ", ".join(self.versions[:_NAMED])
        if not held and self.sources:
            return f"{self.source.shown} has {name} {self.sources[0]} only as source"
        return f"{self.source.shown} has {f'{name} {held}' if held else f'no {name}'}"


def heard(
    several: Iterable[Source], name: str, known: Sources, *, whole: bool = True
) -> tuple[Heard, ...]:
    """Ask all sources for a package at the same time, each for a second or two.

    Not `whole`: only find out whether they answer.
    """
    asked = tuple(several)
    client = known.client(os.environ)._replace(limits=_SOON)
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        return tuple(pool.map(lambda one: _heard(one, name, known, client, whole), asked))


def _heard(one: Source, name: str, known: Sources, client: Client, whole: bool) -> Heard:  # noqa: FBT001
    try:
        if one.folder:
            files = os.listdir(one.folder)  # noqa: PTH208  names alone
        else:
            page = one.url if one in known.links else f"{one.url.rstrip('/')}/{name}/"
            answer = parsed(client.get(page, whole=whole), page)
            files = [*(link.name for link in answer.links), *answer.sources]
    except FetchError as error:
        answered = error.place or error.status in _LACKS
        return Heard(one, "" if answered else error.what, place=error.place)
    except OSError as error:
        return Heard(one, clean_text(error.strerror or str(error))[:200])
    newest = sorted({version for _, version, _ in wheels_of(name, files)}, reverse=True)
    source = sorted(set(sources_of(name, files)), reverse=True)
    return Heard(one, versions=tuple(map(str, newest)), sources=tuple(map(str, source)))


def _dead(dead: list[Heard]) -> str:
    said = "; ".join(f"{one.source.shown}: {one.why}" for one in dead)
    return f"no answer from the package source{'s' * (len(dead) > 1)} {said}"


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def stand_ins(folder: Path, packages: Packages, but: Collection[str] = ()) -> None:
    """Write wheels without files for the installed packages, as a source of metadata; `but`: those to reinstall.

    A wheelhouse has the packages to install, but rarely those that are already installed, and the resolver needs the
    requirements of both. Nothing is ever installed from these wheels.
    """
    for one in packages.distributions:
        name = one.name.replace("-", "_")
        if one.name in but or not one.version or "/" in f"{name}{one.version}":
            continue
        info = f"{name}-{one.version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {one.name}", f"Version: {one.version}"]
        lines += [f"Requires-Dist: {' '.join(text.split())}" for text in one.requires]
        wheel = "Wheel-Version: 1.0\nGenerator: doctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"{name}-{one.version}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{info}/METADATA", "\n".join([*lines, "", ""]))
            archive.writestr(f"{info}/WHEEL", wheel)
            archive.writestr(f"{info}/RECORD", "")
