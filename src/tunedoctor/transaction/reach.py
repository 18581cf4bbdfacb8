"""What a change reaches in an environment: all of it is held inside, and saved where the whole cannot be cloned.

Folders of an environment that came from elsewhere are not to be trusted: links in it, and the RECORD files by which
installers delete, can name anything of the user's.

Saved are the top-level entries of site-packages, and whatever else goes or is written, each by its path. What the
change adds and was not there is noted by name. Putting back can be stopped and begun again at any point.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tunedoctor.installers.tool import Files
from tunedoctor.plan import DeletePath, Plan, SetEnv, WriteFile
from tunedoctor.reading import read_regular
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction import marks
from tunedoctor.transaction.clone import clone, remove_tree
from tunedoctor.transaction.ground import NEW, Ground
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.versions import normalised

_LARGEST = 16 << 20
"""Bytes of a list of names."""


def reach(plan: Plan, ground: Ground, wheels: Iterable[Files]) -> list[Path]:
    """Return every path that a plan deletes or writes.

    Raises:
        FailureError: one of them lies outside of the environment; its name is in the message, with who names it.
    """
    root = Path(os.path.realpath(ground.root))
    seen: dict[Path, bool] = {}
    found: list[Path] = []
    for path, owner in _paths(plan, ground, wheels):
        # the last part can be a link, which goes or is written over itself
        folder = path.parent
        if folder not in seen:
            seen[folder] = Path(os.path.realpath(folder)).is_relative_to(root)
        whole = any(one.is_relative_to(path) for one in (ground.site, ground.scripts))
        if not seen[folder] or whole or ".." in path.parts:
            raise leads_out(str(path), owner)
        found.append(path)
    return found


def _paths(plan: Plan, ground: Ground, wheels: Iterable[Files]) -> Iterator[tuple[Path, str]]:
    """Yield the paths with who names them."""
    for step in plan.steps:
        if isinstance(step, (DeletePath, WriteFile)):
            yield inside(ground, step.path), ""
        elif isinstance(step, SetEnv) and step.where == "activate":
            yield from ((path, "") for path in ground.scripts.glob("[aA]ctivate*"))
        elif isinstance(step, SetEnv) and step.where == "conda":
            yield ground.prefix / "conda-meta" / "state", ""
    yield from _uninstalled(ground.site, going(plan))
    yield from ((path, "") for one in wheels for path in brought(ground, one))


def brought(ground: Ground, files: Files) -> Iterator[Path]:
    """Yield where the files of wheels come to lie; of headers every place that an installer has for them."""
    python = ground.site.parent.name
    yield from (ground.site / name for name in files.inside)
    yield from (ground.scripts / name for name in files.scripts)
    for name in files.below:
        yield ground.root / name
        if name.startswith("include/"):
            for folder in ("Include", f"include/{python}", f"include/site/{python}"):
                yield ground.root / folder / name.removeprefix("include/")


def _uninstalled(site: Path, names: Collection[str]) -> Iterator[tuple[Path, str]]:
    for info in info_folders(site, names):
        yield info / "RECORD", ""
        for row in rows(info):
            yield row.path, f", which the RECORD of {info.name} names,"
    for egg in site.glob("*.egg-info"):
        if normalised(egg.name.removesuffix(".egg-info").partition("-")[0]) in names:
            yield egg, ""
            for file in ("top_level.txt", "namespace_packages.txt", "installed-files.txt"):
                base = egg if file.startswith("installed") else site
                for line in filter(None, _lines(egg / file)):
                    path = Path(os.path.normpath(base / line))
                    yield path, f", which {file} of {egg.name} names,"


def going(plan: Plan) -> frozenset[str]:
    """Return the normalised names of distributions whose files a plan takes away or writes over."""
    return frozenset((*plan.removed, *plan.again, *(pin.name for pin in plan.pins)))


def _lines(file: Path) -> list[str]:
    try:
        return read_regular(file, _LARGEST).decode("utf-8", "replace").split("\n")
    except OSError:
        return []


def inside(ground: Ground, path: str) -> Path:
    """Return the place of a path of a plan, relative to the prefix, or absolute in the user's own packages.

    Raises:
        FailureError: it climbs out, or is the whole environment.
    """
    target = ground.prefix / path.replace("\\", "/")
    if "\0" in path or ".." in target.parts or not path.strip("/. "):
        raise leads_out(path)
    return target


def leads_out(path: str, owner: str = "") -> FailureError:
    """Return the refusal of a path; `owner` says who names it."""
    return FailureError(f"{path!r}{owner} leads out of the environment", NEW, refused=True)


def entries(ground: Ground, paths: Iterable[Path]) -> dict[str, bool]:
    """Return what is saved of paths, relative to the root -> whether it is there; with / at its end: a folder.

    Beside site-packages folders are told that are not there: what comes into them is not all of this change.

    Raises:
        FailureError: one lies where it cannot be saved.
    """
    root, site = ground.root, ground.site
    found, lacking = {site / "__pycache__", *site.glob("~*")}, set[Path]()
    for path in paths:
        if path.is_relative_to(site):
            found.add(site / path.relative_to(site).parts[0])
        elif path.is_relative_to(root):
            found.add(path)
            ups = path.parents[: path.parents.index(root)]
            lacking |= {up for up in ups if not os.path.lexists(up)}
        else:
            why = f"{path} is not among the packages that are kept"
            raise FailureError(why, NEW, refused=True)
    outer = (path for path in sorted(found) if found.isdisjoint(path.parents))
    saved = {path.relative_to(root).as_posix(): os.path.lexists(path) for path in outer}
    # the deepest first, as they go
    return saved | {f"{up.relative_to(root).as_posix()}/": False for up in sorted(lacking)[::-1]}


def save(ground: Ground, saved: Mapping[str, bool], to: Path, mark: str) -> None:
    """Clone what is there into a new marked folder, under the names that it has below the root.

    Raises:
        OSError: it cannot be read, or the disk is full.
    """
    marks.make(to, mark)
    for name in (name for name, there in saved.items() if there):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        clone(ground.root / name, to / name)


def put_back(ground: Ground, saved: Mapping[str, bool], kept: Path) -> None:
    """Bring back what was saved, by a rename each, and remove what was not there.

    Raises:
        OSError: something stands in the way; begin again.
    """
    for name, there in saved.items():
        live, own = ground.root / name, kept / name
        if name.endswith("/"):
            with suppress(OSError):  # others put something there
                live.rmdir()
            continue
        if there and not os.path.lexists(own):
            continue  # it was brought back already
        remove_tree(live)
        if there:
            live.parent.mkdir(parents=True, exist_ok=True)
            own.rename(live)
    for left in ground.site.glob("~*"):  # of an uninstall that was broken off
        if left.relative_to(ground.root).as_posix() not in saved:
            remove_tree(left)
