"""Import contracts of releases that are younger than the table: read off their wheels on the default index."""

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from packaging.version import Version

from tunedoctor.child import run
from tunedoctor.refresh.fetch import Client, FetchError, RefusedError
from tunedoctor.refresh.index import Indexes, Link, parsed, wheels_of
from tunedoctor.tables.load import CONTRACTS, shipped
from tunedoctor.tables.small import Contracts

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


def learned_contracts(before: Any, indexes: Indexes, client: Client) -> Learned:  # noqa: ANN401  a table
    """Extend the table in use by the newest release of each of its libraries; `before`: an updated one, or None.

    A new release and the newest known one of each library are read, so that what either asks and lacks is told.
    """
    known = shipped(CONTRACTS)
    if before and before["as_of"] >= known["as_of"]:
        known = before
    kept = msgspec.convert(known, Contracts) if known is before else None
    untold: list[str] = []
    found: dict[str, dict[Version, Link]] = {}
    for name in known["releases"] if indexes.default else ():
        try:
            found[name] = _wheels(name, indexes, client)
        except FetchError as error:
            if not error.status:  # the next would take as long
                untold.append(str(error))
                break
    last = {name: Version(known["releases"][name][-1]) for name in found}
    newest = {name: max(links, default=Version("0")) for name, links in found.items()}
    young = {name: version for name, version in newest.items() if version > last[name]}
    table = kept
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as folder:
        large = client._replace(limits=client.limits._replace(size=_LARGEST))
        for name, links in found.items() if young else ():
            for version in {last[name], young.get(name, last[name])} & links.keys():
                link = links[version]
                try:
                    data = large.checked(link.url, link.sha256)
                    Path(folder, Path(link.name).name).write_bytes(data)
                except (FetchError, RefusedError) as error:
                    untold.append(str(error))
        try:
            table = _extended(known, Path(folder)) if young else kept
        except ValueError as error:
            untold.append(str(error))
            young = {}
    changes = [
        f"{name} {version}: what it imports of others, and they of it"
        for name, version in young.items()
        if table and str(version) in table.releases.get(name, ())
    ]
    more = f", and {len(untold) - 1} more" if len(untold) > 1 else ""
    brief = [f"import contracts of new releases: {untold[0]}{more}"] if untold else []
    return Learned(table, tuple(changes), tuple(brief))


def _wheels(name: str, indexes: Indexes, client: Client) -> dict[Version, Link]:
    """Return the releases of a library that this machine or any can read: release -> wheel."""
    url = f"{indexes.default}{name}/"
    links = {one.name: one for one in parsed(client.get(url), url).links if not one.yanked}
    found: dict[Version, Link] = {}
    for file, version, platforms in wheels_of(name, links):
        fits = any(one == "any" or ("x86_64" in one and "linux" in one) for one in platforms)
        if fits and not version.is_prerelease and not version.local:
            found.setdefault(version, links[file])
    return found


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
