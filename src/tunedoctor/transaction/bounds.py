"""Hold every path that a change can touch to the environment: what leads out is refused by its name.

Folders of an environment that came from elsewhere are not to be trusted: links in it, and the RECORD files by which
installers delete, can name anything of the user's.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.ground import NEW, Ground
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.versions import normalised


def inside(ground: Ground, path: str) -> Path:
    """Return the place of a relative path, which must not lead out of the environment.

    Raises:
        FailureError: it is absolute, climbs out, or a link on its way leads out.
    """
    parts = path.replace("\\", "/").split("/")
    # of a stash only site-packages are saved; the user's lie outside of the prefix
    root, target = ground.live, ground.prefix / path
    climbs = ".." in parts or "\0" in path or not path.strip("/. ")
    climbs |= Path(path).is_absolute() and ground.strategy != "stash"
    if climbs or target == root or not Path(os.path.realpath(target.parent)).is_relative_to(root):
        raise leads_out(path)
    return target


def hold_files(ground: Ground, names: Iterable[str], incoming: Iterable[str]) -> None:
    """Hold the files of distributions that go, and those of wheels that come, to the environment.

    `names` are normalised, `incoming` relative to site-packages.

    Raises:
        FailureError: one of them lies outside; its name is in the message.
    """
    roots = [ground.prefix, ground.site, ground.scripts]
    roots += [ground.site.parents[2]] if ground.user and os.name == "posix" else []  # ~/.local
    real_roots = [Path(os.path.realpath(root)) for root in roots]
    seen: dict[Path, bool] = {}
    coming = (("", ground.site / name) for name in incoming)
    for owner, path in chain(_going(ground.site, set(names)), coming):
        # the last part can be a link, which goes or is written over itself
        folder = path.parent
        if folder not in seen:
            real = Path(os.path.realpath(folder))
            seen[folder] = any(real.is_relative_to(root) for root in real_roots)
        if not seen[folder]:
            raise leads_out(str(path), owner)


def _going(site: Path, wanted: set[str]) -> Iterator[tuple[str, Path]]:
    """Yield what an uninstall deletes, with who names it."""
    for info in info_folders(site, wanted):
        for row in rows(info):
            yield f", which the RECORD of {info.name} names,", site / row.name
    for egg in site.glob("*.egg-info"):
        if normalised(egg.name.removesuffix(".egg-info").partition("-")[0]) in wanted:
            for file in ("top_level.txt", "namespace_packages.txt", "installed-files.txt"):
                base = egg if file.startswith("installed") else site
                for line in _lines(egg / file):
                    yield f", which {file} of {egg.name} names,", base / line


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []


def leads_out(path: str, owner: str = "") -> FailureError:
    """Return the refusal of a path; `owner` says who names it."""
    return FailureError(f"{path!r}{owner} leads out of the environment", NEW, refused=True)
