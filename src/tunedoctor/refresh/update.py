"""Run one update: ask the indexes, apply the result to the table in use, and store it in the cache, atomically."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace
from packaging.version import Version

from tunedoctor.model.versions import at_least, parts
from tunedoctor.refresh import index, merge
from tunedoctor.refresh.fetch import Client, FetchError, RefusedError
from tunedoctor.refresh.index import Builds, Indexes, Link, Page, Wheel, parsed, releases
from tunedoctor.refresh.merge import Learned, VariantFacts, needs, variant_facts
from tunedoctor.state.folder import keep
from tunedoctor.system.child import run
from tunedoctor.system.scratch import scratch
from tunedoctor.tables.contract_rows import Contracts
from tunedoctor.tables.load import CONTRACTS, WHEELS, shipped, wheel_table_with
from tunedoctor.tables.updated import Overlay, UpdatedError, encoded, laid_over, read
from tunedoctor.tables.wheel_rows import CARRIED
from tunedoctor.wheels.rules import FAMILIES

Mode = Literal["due", "now", "show"]
PROJECTS = ("torch", "torchvision", "torchaudio")
DETAILED = 6
"""Releases whose metadata is read, newest first: between two updates there are one or two new ones."""
TRIED = 4
"""Releases of a companion whose metadata is read to find the match for a torch."""
_FAMILIES = FAMILIES[:3]


class UpdateResult(NamedTuple):
    """The result of an update."""

    state: Literal["updated", "shown", "recent"]
    """`shown`: asked, but nothing was written; `recent`: not asked, because the last update was less than a day ago."""
    shipped: str
    date: str
    """Date of the table that is now in use."""
    before: str
    """Date of the table that was in use before."""
    file: str
    changes: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    """Releases added by this update. Pages don't say which GPUs they have code for."""
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class UpdateError(Exception):
    """The update failed and the cache is unchanged. The message is a sentence without its full stop."""


def update(
    file: Path,
    indexes: Indexes,
    now: datetime,
    mode: Mode = "due",
    client: Client = Client(),  # noqa: B008  a tuple
) -> UpdateResult:
    """Update the table in `file`, unless that was done within a day before `now`.

    `mode`: `now` asks even within a day; `show` returns what would change and writes nothing.

    Raises UpdateError: unreachable, refused, or not writable.
    """
    own = shipped(WHEELS)
    in_use = wheel_table_with(file)
    today = now.astimezone(UTC).date().isoformat()
    if mode == "due" and in_use.source == "updated" and _recent(file, now):
        return UpdateResult("recent", own["as_of"], in_use.date, in_use.date, str(file))
    if today < in_use.date:
        msg = (
            f"the clock says {today}, but the table in use is from {in_use.date}: correct the clock"
        )
        raise UpdateError(msg)
    try:
        contents = ask(indexes, in_use.data, client)
        result = merge.merged(
            own, in_use.data, contents.seen, contents.learned, contents.files, today
        )
        contracts, changes, silent = learned_contracts(in_use.contracts, indexes, client)
        overlay = replace(result.overlay, contracts=contracts)
        laid_over(own, overlay)  # what can't be read back is not stored
        if mode != "show":
            write(file, overlay, list(contents.sources), now)
    except (FetchError, RefusedError, UpdatedError) as error:
        raise UpdateError(str(error)) from None
    return UpdateResult(
        state="shown" if mode == "show" else "updated",
        shipped=own["as_of"],
        date=in_use.date if mode == "show" else today,
        before=in_use.date,
        file=str(file),
        changes=(*result.changes, *changes),
        new=tuple(v for v in overlay.releases if v not in in_use.data["releases"]["items"]),
        left_out=result.left_out,
        kept=result.kept,
        untold=(*contents.untold, *silent),
        sources=contents.sources,
    )


def _recent(file: Path, now: datetime) -> bool:
    """Return whether the index was asked within a day before `now`; False for a future or invalid time."""
    try:
        age = now - datetime.fromisoformat(read(file)[1])
    except (ValueError, TypeError):  # includes UpdatedError; a time without a zone
        return False
    return timedelta() <= age < timedelta(hours=24)


def write(file: Path, overlay: Overlay, sources: list[str], now: datetime) -> None:
    """Write next to `file`, then rename: any failure leaves the old one unchanged. Raises UpdateError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        data = encoded(overlay, now.astimezone(UTC).isoformat(timespec="seconds"), sources)
        keep(file, data, alone=False)
    except OSError as error:
        raise UpdateError(f"{file} can't be written: {error.strerror or error}") from None


class IndexContents(NamedTuple):
    """The answers of the indexes; `untold`: what they did not say and is taken over from older releases, in words."""

    seen: dict[str, Builds]
    learned: dict[str, Learned]
    files: dict[str, int]
    sources: tuple[str, ...]
    untold: tuple[str, ...]


Metadata = Callable[[Link], bytes]
Wheels = tuple[Wheel, ...]


def ask(indexes: Indexes, table: Any, client: Client) -> IndexContents:  # noqa: ANN401  a wheel table
    """Read the pages of torch and its companions, and metadata of the releases that the table does not know.

    Raises RefusedError: a page is cut off, invalid, or lists fewer files than the table; a hash is wrong.
    FetchError: PyTorch's index can't be reached.
    """
    own = client._replace(hosts=indexes.hosts)
    places = {project: f"{indexes.torch}{project}/" for project in PROJECTS}
    least = {project: merge.least_files(table, project) for project in PROJECTS}
    pages = {project: _page(own, url, project, least[project]) for project, url in places.items()}
    links = {project: page.links for project, page in pages.items()}
    wheels_by_version = releases(links["torch"])
    items = table["releases"]["items"]
    undefault = {
        v for v in wheels_by_version if v not in items or "pypi_default" in items[v]["unverified"]
    }
    unpaired = {
        v for v in wheels_by_version if v in items and "torchvision_pair" in items[v]["unverified"]
    }
    files_of_variants = {
        merge.release_of(variants_file.name): variants_file
        for variants_file in pages["torch"].variants
    }
    unread = {v for v in files_of_variants if v in wheels_by_version and _unread(items.get(v))}
    unsure = [v for v in wheels_by_version if v in undefault | unpaired | unread][-DETAILED:]
    metadata = cache(partial(_metadata, own))
    companions = {
        project: releases(links[project], project, oldest="0.1") for project in PROJECTS[1:]
    }
    default: dict[str, Wheels] = {}
    untold: list[str] = []
    if undefault and not indexes.default:
        untold = ["the default index is unknown: neither pip nor uv was found to name it"]
    elif undefault:
        try:
            default = releases(_page(client, f"{indexes.default}torch/").links)
        except FetchError as error:
            untold = [f"the default index was not read: {error}"]
    learned: dict[str, Learned] = {}
    for version in unsure:
        vision, sure = _companion(version, companions["torchvision"], metadata)
        audio, audio_sure = _companion(version, companions["torchaudio"], metadata)
        # gfx targets in the requirements of its ROCm wheels
        each = {
            wheel.variant: wheel
            for wheel in reversed(wheels_by_version[version])
            if wheel.variant[:4] == "rocm"
        }
        rocm = ((v, needs(metadata(o.link), "linux_x86_64", o.python).gfx) for v, o in each.items())
        code = {variant: VariantFacts(" ".join(gfx)) for variant, gfx in rocm if gfx}
        if version in unread:
            file = files_of_variants[version]
            try:
                code = variant_facts(own.checked(file.url, file.sha256)) | code
            except (FetchError, ValueError) as error:
                untold.append(f"{version}: its variants.json was not read: {error}")
        by_default, audio = _variants(default.get(version, ()), client), audio if audio_sure else ""
        learned[version] = Learned(by_default, vision, audio, pair_sure=sure, code=code)
        if version in undefault and not by_default:
            untold.append(f"{version}: the default index does not say which CUDA variant it has")
    files = {project: page.files(project) for project, page in pages.items()}
    sources = [*places.values(), *([indexes.default] if default else [])]
    builds = {version: index.builds_of(wheels) for version, wheels in wheels_by_version.items()}
    return IndexContents(builds, learned, files, tuple(sources), tuple(untold))


def _page(client: Client, url: str, project: str = "", least: int = 0) -> Page:
    page = parsed(client.get(url), url)
    count = page.files(project)
    wrong = f"lists {count} files of {project}, but {least} are known" if count < least else ""
    if not page.whole:
        wrong = "is cut off" if page.links else "is not a page of an index"
    if wrong:
        raise RefusedError(f"{url} {wrong}: refused")
    return page


def _unread(row: Any) -> bool:  # noqa: ANN401  a row of the table, None for a new release
    return row is None or any(
        build[0][:2] in ("cu", "ro") and (not build[5] or str(build[6]).startswith(CARRIED))
        for build in row["builds"]
    )


def _metadata(client: Client, link: Link) -> bytes:
    """Return the metadata of a wheel; b"" if there is none."""
    try:
        stated = link.metadata_sha256
        return client.checked(f"{link.url}.metadata", stated) if stated else b""
    except FetchError:
        return b""


def _variants(wheels: Wheels, client: Client) -> dict[str, str]:
    """Return platform family -> CUDA variant of the default index's wheels, as far as their metadata says."""
    result: dict[str, str] = {}
    for family in _FAMILIES:
        wheel = max((w for w in wheels if w.family == family), key=_plainest, default=None)
        # files are on other hosts; they are checked against the hash on the page
        if wheel and (metadata := _metadata(client, wheel.link)):
            result[family] = needs(metadata, family, wheel.python).variant
    return result


def _companion(
    torch: str, wheels_by_version: Mapping[str, Wheels], metadata_of: Metadata
) -> tuple[str, bool]:
    """Return the newest release that allows this torch, and whether it pins exactly this one; "" if there is none."""
    allows = ""
    for version in list(wheels_by_version)[: -TRIED - 1 : -1]:
        wheel = max(wheels_by_version[version], key=_plainest)
        if metadata := metadata_of(wheel.link):
            family = wheel.family if wheel.family in _FAMILIES else "linux_x86_64"
            python = wheel.python if at_least(wheel.python, "3") else "3.12"
            how = merge.admits(needs(metadata, family, python), torch)
            if how == "pinned":
                return version, True
            allows = allows or (version if how == "open" else "")
    return allows, False


def _plainest(wheel: Wheel) -> tuple[bool, bool, tuple[int, ...]]:
    plain = wheel.family in ("linux_x86_64", "any")
    return plain, not wheel.python.endswith("t"), parts(wheel.python)


SECONDS = 900.0
"""Time limit for reading all wheels: about 60 s of CPU if every library has a new release."""
_LARGEST = 64 << 20
"""Most bytes of a wheel; the largest in the table has 17 MiB."""


def learned_contracts(
    updated_table: Any,  # noqa: ANN401  a table
    indexes: Indexes,
    client: Client,
) -> tuple[Contracts | None, list[str], list[str]]:
    """Extend the table in use by the newest release of each of its libraries; `before`: an updated one, or None.

    Returns the table, or None if there is nothing new; the changes; and what could not be learned.
    A new release and the newest known one of each library are read, to find what either imports and lacks.
    """
    current = shipped(CONTRACTS)
    if updated_table and updated_table["as_of"] >= current["as_of"]:
        current = updated_table
    unchanged = msgspec.convert(current, Contracts) if current is updated_table else None
    untold: list[str] = []
    links_by_library: dict[str, dict[Version, Link]] = {}
    for name in current["releases"] if indexes.default else ():
        try:
            links_by_library[name] = _wheels_of(name, indexes, client)
        except FetchError as error:
            if not error.status:  # the next would take as long
                untold.append(str(error))
                break
    last = {name: Version(current["releases"][name][-1]) for name in links_by_library}
    newest = {name: max(links, default=Version("0")) for name, links in links_by_library.items()}
    young = {name: version for name, version in newest.items() if version > last[name]}
    table = unchanged
    with scratch() as folder:
        large = client._replace(limits=client.limits._replace(size=_LARGEST))
        for name, links in links_by_library.items() if young else ():
            for version in {last[name], young.get(name, last[name])} & links.keys():
                link = links[version]
                try:
                    data = large.checked(link.url, link.sha256)
                    Path(folder, Path(link.name).name).write_bytes(data)
                except (FetchError, RefusedError) as error:
                    untold.append(str(error))
        try:
            table = _extended(current, Path(folder)) if young else unchanged
        except ValueError as error:
            untold.append(str(error))
            young = {}
    releases_by_library = table.releases if table else {}
    came = [
        f"{name} {v}" for name, v in young.items() if str(v) in releases_by_library.get(name, ())
    ]
    changes = [f"{release}: what it imports of others, and they of it" for release in came]
    more = f", and {len(untold) - 1} more" if len(untold) > 1 else ""
    brief = [f"import contracts of new releases: {untold[0]}{more}"] if untold else []
    return table, changes, brief


def _wheels_of(name: str, indexes: Indexes, client: Client) -> dict[Version, Link]:
    url = f"{indexes.default}{name}/"
    links = {link.name: link for link in parsed(client.get(url), url).links if not link.yanked}
    result: dict[Version, Link] = {}
    for file, version, platforms in index.wheels_of(name, links):
        fits = any(
            platform == "any" or ("x86_64" in platform and "linux" in platform)
            for platform in platforms
        )
        if fits and not version.is_prerelease and not version.local:
            result.setdefault(version, links[file])
    return result


def _extended(table: Any, folder: Path) -> Contracts:  # noqa: ANN401  a table
    """Read wheels in a child with a time limit. Raises ValueError: the table is incomplete."""
    table_file = folder / "known.json"
    table_file.write_bytes(msgspec.json.encode(table))
    argv = [sys.executable, "-P", "-m", "tunedoctor.contracts.build", str(table_file), str(folder)]
    completed = run(argv, timeout=SECONDS)
    if not completed.ok:
        raise ValueError(
            f"reading wheels: {completed.death} {completed.err.strip()[-200:]}".strip()
        )
    return msgspec.json.decode(completed.out, type=Contracts)
