"""Find the files that a change deletes or writes, check that they are inside the environment, save and restore them.

The folders of an environment from elsewhere can't be trusted: its links, and the RECORD files by which installers
delete, can name any file of the user.

If the environment can't be cloned, the doctor saves the top-level entries of site-packages, and each other path that is
deleted or written. Paths that the change adds are noted by name. Restoring can be interrupted and repeated.
"""

import base64
import csv
import hashlib
import io
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tunedoctor.installers.tool import Files
from tunedoctor.model.plan import DeletePath, Plan, SetEnv, WriteFile
from tunedoctor.model.versions import normalised, pep440
from tunedoctor.state.folder import FailureError
from tunedoctor.system.reading import read_regular, read_start
from tunedoctor.transaction.environment import NEW, TargetEnvironment
from tunedoctor.transaction.tree import link, remove_tree, replace

_LARGEST = 4 << 20
"""Most bytes of a command script; larger files are programs without the interpreter's path."""
_LARGEST_RECORD = 64 << 20


def name_of(info: Path) -> str:
    """Return the normalised name of a distribution from its .dist-info folder."""
    return normalised(info.name.removesuffix(".dist-info").rpartition("-")[0])


def info_folders(site: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield the .dist-info folders in a site folder for some normalised names."""
    return (path for path in site.glob("*.dist-info") if name_of(path) in names)


def rows(info: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield path, "sha256=…" or "", and name in RECORD of each file of a distribution; nothing without a RECORD."""
    try:
        text = read_regular(info / "RECORD", _LARGEST_RECORD).decode()
        for name, digest, *_ in ((*row, "") for row in csv.reader(io.StringIO(text)) if row):
            yield Path(os.path.normpath(info.parent / name)), digest, name
    except (OSError, UnicodeDecodeError, csv.Error):
        return


def damaged(info: Path) -> bool:
    """Return whether RECORD or METADATA of a distribution is damaged, so that installers can't uninstall it."""
    try:
        text = read_regular(info / "RECORD", _LARGEST_RECORD).decode()
        if any(len(row) != 3 for row in csv.reader(io.StringIO(text)) if row):
            return True
        head = read_start(info / "METADATA", _LARGEST).decode("utf-8", "replace")
    except (OSError, UnicodeDecodeError, csv.Error):
        return True
    fields = dict(_FIELD.findall(head.partition("\n\n")[0]))
    has_name = normalised(fields.get("Name", "")) == name_of(info)
    # uv goes by the version of the folder's name, pip by that of the file: a damaged file is kept by one of them
    folder = info.name.removesuffix(".dist-info").rpartition("-")[2]
    version = pep440(fields.get("Version", ""))
    return not has_name or version is None or version != pep440(folder)


_FIELD = re.compile(r"^(Name|Version):[ \t]*(\S{1,200})[ \t\r]*$", re.MULTILINE)


def remove_damaged(site: Path, root: Path, names: Collection[str]) -> None:
    """Remove the rest of distributions that no installer can uninstall, so that they can be installed again.

    Removes the files that RECORD still names inside the environment. The others are overwritten by the install.
    """
    for info in list(info_folders(site, names)):
        if not damaged(info):
            continue
        for path, *_ in rows(info):
            if path.is_relative_to(root) and (path.is_symlink() or path.is_file()):
                path.unlink()
        remove_tree(info)


def faults(site: Path, names: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each file of distributions that is missing or differs from their RECORD.

    A file that several distributions contain, for example tests/__init__.py, only has to match one of them.
    """
    for info in info_folders(site, names):
        if not (info / "RECORD").is_file():
            yield f"{info.name} has no RECORD"
        for path, digest, name in rows(info):
            have = _digest(path, digest.partition("=")[0]) if digest else ""
            if have != digest and not (have and _is_of_another(site, info, name, have)):
                how = "differs from its RECORD" if have else "is missing"
                yield f"{path.name} of {info.name} {how}"


def _is_of_another(site: Path, info: Path, name: str, digest: str) -> bool:
    """Return whether another distribution has this file with these contents."""
    others = (other for other in site.glob("*.dist-info") if other != info)
    return any((name, digest) == (n, d) for other in others for _, d, n in rows(other))


def _digest(path: Path, kind: str = "sha256") -> str:
    """Return the digest of a file as RECORD writes it; "" if the file can't be read."""
    with suppress(OSError, ValueError, TypeError):
        if path.is_file():  # opening a pipe would block
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, kind).digest()
            return f"{kind}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    return ""


def relocate(scripts: Path, token: str, infos: Iterable[Path]) -> None:
    """Replace the clone's path by that of the environment in commands and metadata installed into the clone.

    Installers write the interpreter's path into commands, and the command's hash into RECORD. The clone's name is the
    environment's name plus a token; this removes the token from commands in `scripts` and from files of `infos`.
    """
    changed: set[Path] = set()
    for path in scripts.iterdir() if scripts.is_dir() else ():
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
            text = path.read_bytes()
            if token.encode() in text:
                replace(path, text.replace(token.encode(), b""))
                changed.add(path)
    for record in (info / "RECORD" for info in infos if changed):
        if record.is_file():
            table = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
            for row in (row for row in table if len(row) == 3 and row[1]):
                path = Path(os.path.normpath(record.parents[1] / row[0]))
                if path in changed:
                    row[1:] = _digest(path), str(path.stat().st_size)
            out = io.StringIO(newline="")
            csv.writer(out, lineterminator="\n").writerows(table)
            replace(record, out.getvalue().encode("utf-8"))


def keep_shared(site: Path, old: Path, names: Collection[str]) -> None:
    """Restore files that removed distributions shared with others, for example nvidia/__init__.py.

    `names` are the removed ones, `old` is the unchanged site folder. A distribution without a readable RECORD shares
    nothing.
    """
    removed = {name for info in info_folders(old, names) for _, _, name in rows(info)}
    for info in site.glob("*.dist-info") if removed else ():
        for path, _, name in rows(info) if name_of(info) not in names else ():
            if name in removed and not os.path.lexists(path) and (old / name).is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                link(os.fspath(old / name), os.fspath(path))


def reach(plan: Plan, environment: TargetEnvironment, wheels: Iterable[Files]) -> list[Path]:
    """Return every path that a plan deletes or writes. Raises FailureError if one is outside the environment."""
    root = Path(os.path.realpath(environment.root))
    inner: dict[Path, bool] = {}
    paths: list[Path] = []
    for path, owner in _paths(plan, environment, wheels):
        # the last part can be a link: the link itself is deleted or overwritten, not its destination
        folder = path.parent
        if folder not in inner:
            inner[folder] = Path(os.path.realpath(folder)).is_relative_to(root)
        whole = any(
            allowed.is_relative_to(path) for allowed in (environment.site, environment.scripts)
        )
        _hold(inner[folder] and not whole and ".." not in path.parts, str(path), owner)
        paths.append(path)
    return paths


def _paths(
    plan: Plan, environment: TargetEnvironment, wheels: Iterable[Files]
) -> Iterator[tuple[Path, str]]:
    for step in plan.steps:
        if isinstance(step, (DeletePath, WriteFile)):
            yield path_inside(environment, step.path), ""
        elif isinstance(step, SetEnv) and step.where == "activate":
            yield from ((path, "") for path in environment.scripts.glob("[aA]ctivate*"))
        elif isinstance(step, SetEnv) and step.where == "conda":
            yield environment.prefix / "conda-meta" / "state", ""
    site, names = environment.site, going(plan)
    for info in info_folders(site, names):
        yield info / "RECORD", ""
        for path, *_ in rows(info):
            yield path, f", which the RECORD of {info.name} lists,"
    yield from _of_eggs(site, names)
    yield from ((path, "") for files in wheels for path in install_paths(environment, files))


def _of_eggs(site: Path, names: Collection[str]) -> Iterator[tuple[Path, str]]:
    for egg in site.glob("*.egg-info"):
        if normalised(egg.name.removesuffix(".egg-info").partition("-")[0]) in names:
            yield egg, ""
            for file in ("top_level.txt", "namespace_packages.txt", "installed-files.txt"):
                with suppress(OSError):
                    text = read_regular(egg / file, _LARGEST_RECORD).decode("utf-8", "replace")
                    base = egg if file.startswith("installed") else site
                    for line in filter(None, text.split("\n")):
                        path = Path(os.path.normpath(base / line))
                        yield path, f", which {file} of {egg.name} lists,"


def install_paths(environment: TargetEnvironment, files: Files) -> Iterator[Path]:
    """Yield the paths to which the files of wheels are installed; for headers all places that installers use."""
    python = environment.site.parent.name
    yield from (environment.site / name for name in files.inside)
    yield from (environment.scripts / name for name in files.scripts)
    for name in files.below:
        yield environment.root / name
        if name.startswith("include/"):
            for folder in ("Include", f"include/{python}", f"include/site/{python}"):
                yield environment.root / folder / name.removeprefix("include/")


def going(plan: Plan) -> frozenset[str]:
    """Return the normalised names of distributions whose files a plan removes or overwrites."""
    return frozenset((*plan.removed, *plan.again, *(pin.name for pin in plan.pins)))


def path_inside(environment: TargetEnvironment, path: str) -> Path:
    """Return the absolute path of a plan's path. Raises FailureError if it leaves the environment, or is all of it."""
    target = environment.prefix / path.replace("\\", "/")
    _hold("\0" not in path and ".." not in target.parts and bool(path.strip("/. ")), path)
    return target


def _hold(inner: object, path: str, owner: str = "") -> None:
    why = f"{path!r}{owner} points outside the environment"
    FailureError.when(not inner, why, NEW, refused=True)


def entries(environment: TargetEnvironment, paths: Iterable[Path]) -> dict[str, bool]:
    """Return the entries to save for some paths: path relative to the root (folders end with /) -> whether it exists.

    Outside site-packages, missing parent folders are entries too: other programs may also put files into them.
    """
    root, site = environment.root, environment.site
    present, lacking = {site / "__pycache__", *site.glob("~*")}, set[Path]()
    for path in paths:
        if path.is_relative_to(site):
            present.add(site / path.relative_to(site).parts[0])
        elif path.is_relative_to(root):
            present.add(path)
            ups = path.parents[: path.parents.index(root)]
            lacking |= {up for up in ups if not os.path.lexists(up)}
        else:
            raise FailureError(f"{path} is outside the folders that are saved", NEW, refused=True)
    outer = (path for path in sorted(present) if present.isdisjoint(path.parents))
    saved = {path.relative_to(root).as_posix(): os.path.lexists(path) for path in outer}
    # deepest first, the order in which they are removed
    return saved | {f"{up.relative_to(root).as_posix()}/": False for up in sorted(lacking)[::-1]}


def put_back(environment: TargetEnvironment, saved: Mapping[str, bool], backup: Path) -> None:
    """Restore each saved entry with a rename, and remove entries that did not exist."""
    for name, existed in saved.items():
        live, own = environment.root / name, backup / name
        if name.endswith("/"):
            with suppress(OSError):  # another program put something there
                live.rmdir()
        elif not existed or os.path.lexists(own):  # else it was restored already
            remove_tree(live)
            if existed:
                live.parent.mkdir(parents=True, exist_ok=True)
                own.rename(live)
    for left in environment.site.glob("~*"):  # left by an interrupted uninstall
        if left.relative_to(environment.root).as_posix() not in saved:
            remove_tree(left)
