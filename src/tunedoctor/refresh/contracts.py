"""Import contracts of releases that are younger than the table: read off their wheels on the default index."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tunedoctor.child import run
from tunedoctor.refresh.ask import RefusedError, checked
from tunedoctor.refresh.fetch import Fetcher, FetchError, Limits, host_of
from tunedoctor.refresh.indexes import Indexes
from tunedoctor.refresh.page import Link, parsed
from tunedoctor.tables.contracts import Contracts
from tunedoctor.tables.load import CONTRACTS, shipped

SECONDS = 900.0
"""For the reading of all wheels: some 60 of CPU where every library has a new release."""
_LARGEST = 64 << 20
"""Bytes of a wheel; the largest of the table has 17 MiB."""


class Learned(NamedTuple):
    """What wheels told."""

    table: Contracts | None
    """None where nothing is new: the table in use stays."""
    changes: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


def learned_contracts(before: Any, indexes: Indexes, limits: Limits) -> Learned:  # noqa: ANN401  a table
    """Extend the table in use by the newest release of each of its libraries; `before`: an updated one, or None.

    A new release and the newest known one of each library are read, so that what either asks and lacks is told.
    """
    known = shipped(CONTRACTS)
    if before and before["as_of"] >= known["as_of"]:
        known = before
    kept = msgspec.convert(known, Contracts) if known is before else None
    if not indexes.default:
        return Learned(kept)
    found, untold = _pages(known["releases"], indexes, limits)
    young = {
        name: newest
        for name, links in found.items()
        if (newest := max(links, default=Version("0"))) > Version(known["releases"][name][-1])
    }
    if not young:
        return Learned(kept, untold=_brief(untold))
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as folder:
        for name, links in found.items():
            last = Version(known["releases"][name][-1])
            for version in {last, young.get(name, last)} & links.keys():
                try:
                    _put(links[version], Path(folder), limits)
                except (FetchError, RefusedError) as error:
                    untold.append(str(error))
        try:
            table = _extended(known, Path(folder))
        except ValueError as error:
            return Learned(kept, untold=_brief([*untold, str(error)]))
    changes = [
        f"{name} {version}: what it imports of others, and they of it"
        for name, version in young.items()
        if str(version) in table.releases.get(name, ())
    ]
    return Learned(table, tuple(changes), _brief(untold))


def _pages(
    names: Iterable[str], indexes: Indexes, limits: Limits
) -> tuple[dict[str, dict[Version, Link]], list[str]]:
    """Return library -> its wheels, of those that the index has, and why the rest was not read."""
    found: dict[str, dict[Version, Link]] = {}
    for name in names:
        try:
            found[name] = _wheels(name, indexes, limits)
        except FetchError as error:
            if not error.answered:  # the next would take as long
                return found, [str(error)]
    return found, []


def _brief(untold: Iterable[str]) -> tuple[str, ...]:
    """Return one sentence for all that could not be had."""
    some = [*untold]
    more = f", and {len(some) - 1} more" if len(some) > 1 else ""
    return (f"import contracts of new releases: {some[0]}{more}",) if some else ()


def _wheels(name: str, indexes: Indexes, limits: Limits) -> dict[Version, Link]:
    """Return the releases of a library that this machine or any can read: release -> wheel."""
    url = f"{indexes.default}{name}/"
    page = parsed(Fetcher(frozenset({host_of(url)}), limits).get(url), url)
    found: dict[Version, Link] = {}
    for link in page.links:
        try:
            _, version, _, tags = parse_wheel_filename(link.name)
        except (InvalidWheelFilename, InvalidVersion):
            continue
        plain = any(tag.platform == "any" for tag in tags)
        if link.yanked or version.is_prerelease or version.local:
            continue
        if plain or any("x86_64" in tag.platform and "linux" in tag.platform for tag in tags):
            found.setdefault(version, link)
    return found


def _put(link: Link, folder: Path, limits: Limits) -> None:
    """Store a wheel whose hash is the one that the page states."""
    fetcher = Fetcher(frozenset({host_of(link.url)}), limits._replace(size=_LARGEST))
    (folder / Path(link.name).name).write_bytes(checked(fetcher.get, link.url, link.sha256))


def _extended(known: Any, folder: Path) -> Contracts:  # noqa: ANN401  a table
    """Read wheels in a child of limited time.

    Raises:
        ValueError: it did not come to its end, or told what no table holds.
    """
    before = folder / "known.json"
    before.write_bytes(msgspec.json.encode(known))
    argv = [sys.executable, "-P", "-m", "tunedoctor.contracts.build", str(before), str(folder)]
    ended = run(argv, timeout=SECONDS)
    if not ended.ok:
        msg = f"reading wheels: {ended.death} {ended.err.strip()[-200:]}".strip()
        raise ValueError(msg)
    return msgspec.json.decode(ended.out, type=Contracts)
