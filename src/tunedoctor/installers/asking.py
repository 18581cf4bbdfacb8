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
from tunedoctor.installers.sources import PackageSource, Sources
from tunedoctor.installers.uv import (
    Failed,
    NoSolution,
    Outcome,
    ResolveQuestion,
    Solved,
    find_uv,
    resolve,
)
from tunedoctor.model.plan import Install, Pin
from tunedoctor.refresh.fetch import Client, FetchError, FetchLimits
from tunedoctor.refresh.index import parsed, sources_of, standard_index, wheels_of
from tunedoctor.system.scratch import scratch

_PROBED = "torch"
"""Package that is requested to see whether a source answers; "not found" is an answer too."""
_SOON = FetchLimits(seconds=5.0, connect=1.5)
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
        self._responses: dict[str, SourceAnswer] = {}
        self._answers: dict[tuple[str, str], tuple[SourceAnswer, ...]] = {}

    def resolve(self, question: ResolveQuestion) -> Outcome:
        """Return uv's answer from the sources that respond."""
        return self._ask(question, None if question.hashes else ())

    def _ask(self, question: ResolveQuestion, again: Collection[str] | None) -> Outcome:
        """Ask uv; `again`: packages to reinstall, for which the installed version is no source."""
        index = self.declared.placed(question.index_url)
        sources = self.answering(index)
        if isinstance(sources, Failed):
            return sources
        with self._with_installed(sources, again) as every:
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
        preferred = {} if install.no_deps else installed
        question = ResolveQuestion(
            tuple(pin.requirement for pin in install.pins),
            preferred=tuple(f"{name}=={version}" for name, version in preferred.items() if version),
            interpreter=python,
            index_url=install.index,
            locked=True,
            dependencies=not install.no_deps,
        )
        if isinstance(sources := self.answering(install.index), Failed):
            return sources
        if install.index in self.silent:
            # a build without a version label can only be identified by its index
            if any(
                resolved.name == _PROBED and "+" not in resolved.version
                for resolved in install.pins
            ):
                return Failed("network", _dead([self._responses[install.index]]))
            install = replace(install, index="")
        solved = self._ask(
            question, {*install.reinstall, *(resolved.name for resolved in install.pins)}
        )
        if not isinstance(solved, Solved):
            return solved
        requested, reinstall_names = {pin.name: pin for pin in install.pins}, {*install.reinstall}
        pins: list[Pin] = []
        for resolved in solved.pins:
            requested_pin, was = requested.get(resolved.name), installed.get(resolved.name, "")
            if (
                requested_pin is None
                and was == resolved.version
                and resolved.name not in reinstall_names
            ):
                continue
            requested_pin = requested_pin or replace(resolved, was=was)
            # uv gives no hashes for wheels in a folder that it need not open
            files = self._files(resolved)
            hashes = requested_pin.hashes or resolved.hashes or tuple(map(_digest, files))
            size = resolved.download_bytes or max(
                (file.stat().st_size for file in files), default=0
            )
            requested_pin = replace(
                resolved, was=requested_pin.was, via=requested_pin.via, hashes=hashes
            )
            pins.append(replace(requested_pin, download_bytes=size))
        return replace(install, pins=tuple(pins), no_deps=True)

    def _files(self, pin: Pin) -> list[Path]:
        files: list[Path] = []
        for folder in (link.folder for link in self.declared.links if link.folder):
            with suppress(OSError):
                wheels = wheels_of(pin.name, os.listdir(folder))  # noqa: PTH208  names alone
                files += [
                    folder / link for link, version, _ in wheels if str(version) == pin.version
                ]
        return [file for file in files if file.is_file() and os.access(file, os.R_OK)]

    @contextmanager
    def _with_installed(
        self, sources: Sources, reinstalled: Collection[str] | None
    ) -> Generator[Sources]:
        """Yield the sources with the default index, and without indexes with metadata of the installed packages."""
        if not (sources.index or sources.no_index or sources.offline) and self._responses:
            # spelled as uv does, so that both use the same cache entries
            standard = PackageSource(self._standard.url.rstrip("/"))
            sources = replace(sources, index=standard if standard.url else None)
        if not sources.no_index or self.installed is None or reinstalled is None:
            yield sources
            return
        with scratch() as folder:
            stand_ins(Path(folder), self.installed, reinstalled)
            yield replace(sources, links=(*sources.links, PackageSource(folder)))

    def answering(self, index: str = "") -> Sources | Failed:
        """Return the sources without unconfigured ones that do not answer, or why none is left.

        An index that the user configured is never replaced by another one, where anyone could publish packages with
        the same names: if it does not answer, only the user's folders are left.
        """
        sources, indexes = self.declared, self._indexes(index)
        unasked = [
            index_source for index_source in indexes if index_source.url not in self._responses
        ]
        self._responses |= {
            index_source.source.url: index_source
            for index_source in ask_sources(unasked, _PROBED, sources, whole=False)
        }
        dead = [
            self._responses[index_source.url]
            for index_source in indexes
            if index_source.url in self.silent
        ]
        configured = [index_source for index_source in dead if index_source.source.place]
        if dead and (configured or len(dead) == len(indexes)):
            folders = tuple(index_source for index_source in sources.links if index_source.folder)
            if not folders:
                return Failed("network", _dead(configured or dead))
            who = (configured or dead)[0].source
            return replace(sources, no_index=who.place or who.url, links=folders)
        if dead and indexes[-1].url in self.silent:
            # the standard index does not answer: make another one the default, or uv would wait for it
            default = next(
                index_source
                for index_source in reversed(indexes)
                if index_source.url not in self.silent
            )
            return replace(sources, index=default)
        return sources

    @property
    def best(self) -> Sources:
        """The sources that answer, or all if none does."""
        sources = self.answering()
        return self.declared if isinstance(sources, Failed) else sources

    def _indexes(self, index: str = "") -> tuple[PackageSource, ...]:
        """Return all indexes, the default one last; none if the user forbids indexes."""
        sources = self.declared
        if sources.no_index or sources.offline:
            return ()
        indexes = (PackageSource(index), *sources.extra, sources.index or self._standard)
        return tuple(source for source in indexes if source.url)

    @cached_property
    def _standard(self) -> PackageSource:
        return PackageSource(standard_index(find_uv()))

    @property
    def silent(self) -> set[str]:
        """URLs of the sources that did not answer."""
        return {url for url, answer in self._responses.items() if answer.why}

    @property
    def partly(self) -> bool:
        """True if an index for all packages did not answer; PyTorch's index is only used for torch."""
        return any(source.url in self.silent for source in self._indexes())

    def torch_versions(self, index: str) -> tuple[str, ...]:
        """Return the versions of torch in the user's sources if PyTorch's index does not answer; else ()."""
        sources, index = self.declared, self.declared.placed(index)
        if sources.offline or isinstance(self.answering(index), Failed):
            return ()
        if not sources.no_index and index not in self.silent:
            return ()
        indexes = () if sources.no_index else (*sources.extra, sources.index)
        places = (place for place in (*sources.links, *indexes) if place)
        versions = (
            version
            for answer in ask_sources(places, _PROBED, sources)
            for version in answer.versions
        )
        return tuple(dict.fromkeys(versions))

    def lacking(self, names: Iterable[str], index: str = "") -> str:
        """Return a text that says which versions of some packages each source has."""
        answers = self.answers(names, index)
        texts = (
            answer.of(name)
            for name, answers_of_sources in answers.items()
            for answer in answers_of_sources
        )
        return "; ".join(dict.fromkeys(texts))

    def answers(
        self, names: Iterable[str], index: str = ""
    ) -> dict[str, tuple["SourceAnswer", ...]]:
        """Return each source's answer for some packages, by name; each is asked once."""
        places = (*self._indexes(index), *self.declared.links)
        asked_names = tuple(islice(dict.fromkeys(names), _NAMED))
        for name in asked_names:
            if (name, index) not in self._answers:
                self._answers[name, index] = ask_sources(places, name, self.declared)
        return {name: self._answers[name, index] for name in asked_names}

    def source_only(self, names: Iterable[str]) -> dict[str, str]:
        """Return the packages that the sources only have as source distributions, with their newest version."""
        result: dict[str, str] = {}
        for name, answers_of_sources in self.answers(names).items():
            sources = [answer.sources[0] for answer in answers_of_sources if answer.sources]
            if sources and not any(
                answer.versions or answer.why or answer.place for answer in answers_of_sources
            ):
                result[name] = sources[0]
        return result


class SourceAnswer(NamedTuple):
    """A source's answer for one package."""

    source: PackageSource
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
            return f"{self.source.label} did not answer: {self.why}"
        if self.place:
            return (
                f"{self.source.label} redirects to {self.place} for {name}, which was not searched"
            )
        versions = ", ".join(self.versions[:_NAMED])
        if not versions and self.sources:
            return f"{self.source.label} has {name} {self.sources[0]} only as source"
        return f"{self.source.label} has {f'{name} {versions}' if versions else f'no {name}'}"


def ask_sources(
    to_ask: Iterable[PackageSource], name: str, sources: Sources, *, whole: bool = True
) -> tuple[SourceAnswer, ...]:
    """Ask all sources for a package at the same time, each for a second or two.

    Not `whole`: only find out whether they answer.
    """
    places = tuple(to_ask)
    client = sources.client(os.environ)._replace(limits=_SOON)
    with ThreadPoolExecutor(len(places) or 1) as pool:
        return tuple(
            pool.map(lambda source: _ask_source(source, name, sources, client, whole=whole), places)
        )


def _ask_source(
    origin: PackageSource, name: str, sources: Sources, client: Client, *, whole: bool
) -> SourceAnswer:
    try:
        if origin.folder:
            files = os.listdir(origin.folder)  # noqa: PTH208  names alone
        else:
            page = origin.url if origin in sources.links else f"{origin.url.rstrip('/')}/{name}/"
            answer = parsed(client.get(page, whole=whole), page)
            files = [*(link.name for link in answer.links), *answer.sources]
    except FetchError as error:
        has_answered = error.place or error.status in _LACKS
        return SourceAnswer(origin, "" if has_answered else error.what, place=error.place)
    except OSError as error:
        return SourceAnswer(origin, clean_text(error.strerror or str(error))[:200])
    newest = sorted({version for _, version, _ in wheels_of(name, files)}, reverse=True)
    source = sorted(set(sources_of(name, files)), reverse=True)
    return SourceAnswer(origin, versions=tuple(map(str, newest)), sources=tuple(map(str, source)))


def _dead(silent: list[SourceAnswer]) -> str:
    texts = "; ".join(f"{answer.source.label}: {answer.why}" for answer in silent)
    return f"no answer from the package source{'s' * (len(silent) > 1)} {texts}"


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def stand_ins(folder: Path, packages: Packages, but: Collection[str] = ()) -> None:
    """Write wheels without files for the installed packages, as a source of metadata; `but`: those to reinstall.

    A wheelhouse has the packages to install, but rarely those that are already installed, and the resolver needs the
    requirements of both. Nothing is ever installed from these wheels.
    """
    for distribution in packages.distributions:
        name = distribution.name.replace("-", "_")
        if (
            distribution.name in but
            or not distribution.version
            or "/" in f"{name}{distribution.version}"
        ):
            continue
        info = f"{name}-{distribution.version}.dist-info"
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {distribution.name}",
            f"Version: {distribution.version}",
        ]
        lines += [f"Requires-Dist: {' '.join(text.split())}" for text in distribution.requires]
        wheel = "Wheel-Version: 1.0\nGenerator: doctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(
            folder / f"{name}-{distribution.version}-py3-none-any.whl", "w"
        ) as archive:
            archive.writestr(f"{info}/METADATA", "\n".join([*lines, "", ""]))
            archive.writestr(f"{info}/WHEEL", wheel)
            archive.writestr(f"{info}/RECORD", "")
