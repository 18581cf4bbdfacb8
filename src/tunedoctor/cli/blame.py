"""Find the line of a folder that a finding belongs to, because reports about code require one.

The folder may be anybody's: its own files alone are read, no links, few, of a sane size, each line once.
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.model.findings import PipInstall, PipUninstall, Variable, name_of
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import normalised
from tunedoctor.render.formats import ANYWHERE, Place
from tunedoctor.system.reading import read
from tunedoctor.tables.config import HEADER, KEY, PREFIX, keys_of
from tunedoctor.tables.load import table

_LARGEST, _MOST, _ENTRIES, _LONGEST = 1 << 18, 16, 10_000, 1_000
"""Bytes of a file, lists of requirements of a folder, entries of one that are looked at, characters of a line."""
_QUOTED = pattern(r"""["']([^"']+)["']""")
_SETS = pattern(r"(?:ENV|ARG|export)\s+(.*)")
_NAME = pattern(r"(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)")
Rows = list[tuple[int, str]]


def places(folder: Path, report: Report, policy_file: str) -> dict[str, Place]:
    """Return the line for each cause and symptom, else the first line of the first file that could be meant."""
    files = [*_files(folder)]
    named: dict[str, Place] = {}
    for file, names in files:
        for name, line in names(_rows(folder, file)):
            named.setdefault(name, Place(file, line))
    nearest = Place(files[0][0], 1) if files else ANYWHERE
    asked = {f"{PREFIX}{key}": place for key, place in _policy(folder, policy_file).items()}
    found = {}
    for one in (*report.findings, *report.symptoms):
        blamed = (named[name] for name in _blamed(one) if name in named)
        whole = asked.get(PREFIX) if one.id.startswith(PREFIX) else None
        found[one.id] = asked.get(one.id) or next(blamed, whole or nearest)
    return found


def _blamed(one: ReportFinding) -> Iterator[str]:
    """Give what a cure changes: normalised names of packages, and variables with a $ in front."""
    for step in one.cure.steps:
        if isinstance(step, PipInstall):
            yield from map(name_of, step.requirements)
        elif isinstance(step, PipUninstall):
            yield from map(normalised, step.names)
        elif isinstance(step, Variable):
            yield f"${step.name}"


def _files(folder: Path) -> "Iterator[tuple[str, Callable[[Rows], Iterator[tuple[str, int]]]]]":
    """Yield the files that list packages, by their names in the folder, with the function that reads each."""
    here = _entries(folder)
    lists = [name for name in here if name.startswith("requirements")]
    if here.get("requirements") is False:
        below = _entries(folder / "requirements")
        lists += [f"requirements/{name}" for name, regular in below.items() if regular]
    texts = sorted(name for name in lists if name.endswith(".txt") and name.isprintable())
    kinds = (
        (("pyproject.toml",), _of_project),
        (texts[:_MOST], lambda rows: ((name_of(row), number) for number, row in rows)),
        (("environment.yml", "environment.yaml"), _of_conda),
        (("Dockerfile", "Containerfile"), _of_image),
        (("doctor.toml",), lambda _: iter(())),
    )
    for names, reader in kinds:
        yield from ((name, reader) for name in names if "/" in name or here.get(name))


def _entries(folder: Path) -> dict[str, bool]:
    """Return name -> whether it is a regular file, False for a folder; nothing else, and no links."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for one in islice(entries, _ENTRIES):
                regular = one.is_file(follow_symlinks=False)
                if regular or one.is_dir(follow_symlinks=False):
                    found[one.name] = regular
    except OSError:
        return {}
    return found


def _rows(folder: Path, file: str) -> Rows:
    rows = (read(folder / file, _LARGEST) or "").split("\n")
    return [(n, row[:_LONGEST].partition("#")[0].strip()) for n, row in enumerate(rows, 1)]


def _of_project(rows: Rows) -> Iterator[tuple[str, int]]:
    """Give the requirements of lists and tables that are called so: PEP 621 and 735, Poetry, PDM, pixi, Hatch."""
    section, listing = "", False
    for number, row in rows:
        key = KEY.match(row)
        if not key and (header := HEADER.match(row)):
            section, listing = header[1], False
            continue
        table_of = "dependenc" in section
        if key:
            listing = table_of or "dependenc" in key[2] or key[2] == "requires"
            yield from [(normalised(key[2]), number)] * table_of
        if listing:
            yield from ((name_of(one[1]), number) for one in _QUOTED.finditer(row))


def _of_conda(rows: Rows) -> Iterator[tuple[str, int]]:
    """Yield the packages in lists, by pip's names: "- conda-forge::pytorch=2.9" is torch."""
    called: dict[str, str] = table("distributions")["aliases"]
    for number, row in rows:
        if row.startswith("-"):
            name = name_of(row[1:].strip("\"' ").rpartition("::")[2])
            yield called.get(name, name), number


def _of_image(rows: Rows) -> Iterator[tuple[str, int]]:
    """Give the words of commands that install, over several lines, and variables that are set."""
    installs = sets = goes_on = False
    for number, row in rows:
        installs = (goes_on and installs) or " install " in row or " add " in row
        if installs:
            yield from ((name_of(word.strip("\"'")), number) for word in row.split())
        begins = _SETS.search(row)
        sets = (goes_on and sets) or bool(begins)
        if sets:
            words = begins[1] if begins else row
            yield from ((f"${name[1]}", number) for name in _NAME.finditer(words))
        goes_on = row.endswith("\\")


def _policy(folder: Path, file: str) -> dict[str, Place]:
    """Return key -> its line in a file of the folder; "" -> the first line of the policy."""
    here = folder.resolve()
    path = Path(os.path.abspath(here / file))  # noqa: PTH100  resolve would follow a link
    if not file or not path.is_relative_to(here) or path.resolve() != path or not path.is_file():
        return {}
    name, found = path.relative_to(here).as_posix(), dict[str, Place]()
    for number, keys in keys_of(name, _rows(here, name)):
        if keys[:1] == ["policy"]:
            names = [one.lower().replace("_", "-") for one in keys[1:]]
            # disk-tmp of disk = {tmp = …}, variable-hf-home of [policy.variables]
            names += [f"{one.removesuffix('s')}-{key}" for one in names[:1] for key in names[1:]]
            for key in ("", *names):
                found.setdefault(key, Place(name, number))
    return {"": Place(name, 1), **found}
