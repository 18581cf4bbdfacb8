"""Save what a change touches where the whole cannot be cloned, and put it back.

Kept are the top-level entries of site-packages, and the commands, that go or that wheels bring. What the change adds
and was not there is noted by name. Putting back can be stopped and begun again at any point.
"""

import os
import shlex
import shutil
from pathlib import Path

from tunedoctor.plan import DeletePath, Plan, SetEnv, WriteFile
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction import marks
from tunedoctor.transaction.bounds import inside
from tunedoctor.transaction.change import Fetched, going
from tunedoctor.transaction.clone import clone, remove_tree
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Touched
from tunedoctor.transaction.records import drop_stale, info_folders, rows

SITE, SCRIPTS = "site", "scripts"


def touched(plan: Plan, ground: Ground, fetched: list[Fetched]) -> Touched:
    """Return the names that a plan touches in site-packages and among the commands.

    Raises:
        FailureError: it touches what is in neither.
    """
    site: set[str] = set()
    scripts: set[str] = set()
    for info in info_folders(ground.site, going(plan)):
        site.add(info.name)
        for path in (row.path for row in rows(info)):
            if path.is_relative_to(ground.site):
                site.add(str(path.relative_to(ground.site)))
            elif path.parent == ground.scripts:
                scripts.add(path.name)
    for one in fetched:
        site |= one.files.inside
        scripts |= one.files.scripts
    for step in plan.steps:
        if isinstance(step, (WriteFile, DeletePath)):
            site.add(str(inside(ground, step.path).relative_to(ground.site)))
        elif isinstance(step, SetEnv) and step.where == "activate":
            scripts |= {p.name for p in ground.scripts.glob("[aA]ctivate*")}
        elif isinstance(step, SetEnv) and step.where == "conda":
            why = f"{ground.prefix} cannot be cloned, and conda's variables are not among its packages"
            pair = shlex.quote(f"{step.name}={step.value}")
            raise FailureError(why, f"conda env config vars set {pair}")
    tops = {path.replace("\\", "/").partition("/")[0] for path in site}
    tops -= {"", ".", "..", "bin", "Scripts"}
    had = [f"{SITE}/{name}" for name in sorted(tops) if os.path.lexists(ground.site / name)]
    had += [f"{SCRIPTS}/{n}" for n in sorted(scripts) if os.path.lexists(ground.scripts / n)]
    leftovers = tuple(sorted(p.name for p in ground.site.glob("~*")))
    return Touched(tuple(sorted(tops)), tuple(sorted(scripts)), tuple(had), leftovers)


def save(ground: Ground, names: Touched, to: Path, mark: str) -> None:
    """Clone what is there of the names into a new marked folder.

    Raises:
        OSError: it cannot be read, or the disk is full.
    """
    marks.make(to, mark)
    for part, folder, entries in _parts(ground, names):
        (to / part).mkdir()
        for name in entries:
            path, kept = folder / name, to / part / name
            if path.is_symlink():
                kept.symlink_to(path.readlink())
            elif path.is_dir():
                clone(path, kept)
            elif path.is_file():
                shutil.copy2(path, kept)


def put_back(ground: Ground, names: Touched, saved: Path) -> None:
    """Bring back what was saved, and remove what was not there.

    What is saved moves back by a rename each; when it was moved already it is left alone.

    Raises:
        OSError: something stands in the way; begin again.
    """
    waste = saved / "waste"
    waste.mkdir(exist_ok=True)
    for part, folder, entries in _parts(ground, names):
        for name in entries:
            had = f"{part}/{name}" in names.had
            _one(folder / name, saved / part / name, waste / f"{part}-{name}", had=had)
    drop_stale(ground.site, names.site)
    for leftover in ground.site.glob("~*"):
        if leftover.name not in names.leftovers and leftover.name not in names.site:
            remove_tree(leftover)
    remove_tree(waste)


def _one(live: Path, kept: Path, waste: Path, *, had: bool) -> None:
    """Put one entry back. What was there and is kept no longer was brought back already."""
    if had and not os.path.lexists(kept):
        return
    if os.path.lexists(live):
        remove_tree(waste)
        live.rename(waste)
    if had:
        live.parent.mkdir(parents=True, exist_ok=True)
        kept.rename(live)


def _parts(ground: Ground, names: Touched) -> tuple[tuple[str, Path, tuple[str, ...]], ...]:
    return (SITE, ground.site, names.site), (SCRIPTS, ground.scripts, names.scripts)
