"""Find what the user wants in an environment: declared requirements, and packages that no other package needs.

The larger scopes of a fix keep these and let every other package change.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.contracts.requirements import marker_environment, reach, requirements
from tunedoctor.facts import Distribution, Host, Interpreter, Packages
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import holds, normalised, pep440, requirement
from tunedoctor.planning.set_request import is_local, public, with_torch
from tunedoctor.system.reading import listed, read, toml

_LARGEST, _MOST_FILES, _MOST_LINES = 1 << 18, 16, 2_000
"""Bytes of a file, requirements files of a folder, and requirements that are read."""


class Roots(NamedTuple):
    """The packages that the user wants in an environment, with their versions."""

    ranges: Mapping[str, str]
    """Normalised name -> the declared versions, "" for any."""
    preferred: Mapping[str, str] = {}
    """Installed package -> the version that stays where it can: of all but those that did not work."""
    local: tuple[str, ...] = ()
    """Editable installs and builds of a commit: no index has them, so their files stay as they are."""

    def without_versions(self) -> "Roots":
        """Return the same packages with no preference for the installed versions."""
        return self._replace(preferred={})


def find_roots(snapshot: Snapshot, folder: Path | None, suspects: Collection[str] = ()) -> Roots:
    """Return the packages to keep: declared requirements in `folder`, and packages that no other package requires.

    Packages that only torch brings (CUDA libraries, Triton) are never roots. `suspects` did not work, so that their
    installed versions are not preferred.
    """
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    environment = marker_environment(interpreter, snapshot.find(Host))
    distributions = packages.distributions if packages else ()
    prefix = os.path.join(interpreter.prefix, "") if interpreter else ""  # noqa: PTH118
    own = [
        distribution
        for distribution in distributions
        if distribution.location.startswith(prefix) or not distribution.location
    ]
    requires = {d.name: {n for n, _ in requirements(d.requires, environment)} for d in own}
    broken_names = [broken.name for broken in (packages.broken if packages else ())]
    names = [*requires, *(n for n in broken_names if n not in requires and not n.startswith("~"))]
    local = tuple(d.name for d in own if is_local(d) and d.name != "torch")
    ranges: dict[str, str] = {}
    for name, range_ in (*_declared(folder, environment), *_needs(own, local, environment)):
        ranges[name] = ",".join(filter(None, (ranges.get(name, ""), range_)))
    for name in (*_tops(names, requires), *(["torch"] if "torch" in requires else [])):
        ranges.setdefault(name, "")
    ranges = {n: r for n, r in ranges.items() if n not in local and _is_choice(n)}
    versions = {d.name: public(d.version) for d in own if pep440(d.version)}
    return Roots(ranges, {n: v for n, v in versions.items() if n not in suspects}, local)


def _is_choice(name: str) -> bool:
    return name == "torch" or not with_torch(name)


def _tops(names: Iterable[str], requires: Mapping[str, set[str]]) -> list[str]:
    """Return the packages that no other one requires; of a circle that nothing outside requires, its first."""
    sorted_names = sorted(set(names))
    needed = {
        required
        for owner, requirements_of_owner in requires.items()
        for required in requirements_of_owner
        if required != owner
    }
    tops = [name for name in sorted_names if name not in needed]
    reached = reach(tops, requires)
    for name in sorted_names:
        if name not in reached:
            tops.append(name)
            reached |= reach([name], requires)
    return tops


def _needs(
    own: Iterable[Distribution], local: Iterable[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield what packages require that no index has: the resolver cannot read it there."""
    for distribution in own:
        if distribution.name in local:
            yield from requirements(distribution.requires, environment)


def _declared(folder: Path | None, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what pyproject.toml and requirements*.txt of a folder declare; URLs and paths are left out."""
    if folder is None:
        return
    names = [n for n in listed(folder) if n.startswith("requirements") and n.endswith(".txt")]
    lines = [*_of_project(read(folder / "pyproject.toml", _LARGEST) or "")]
    for name in sorted(names)[:_MOST_FILES]:
        lines += (read(folder / name, _LARGEST) or "").splitlines()
    for line in lines[:_MOST_LINES]:
        parsed = requirement(line.partition(" #")[0].partition(" --hash")[0].rstrip(" \\").strip())
        if parsed is not None and parsed.url is None and holds(parsed, environment):
            # a version that conda or a vendor labels is looked for without its label
            clauses = (str(clause) for clause in parsed.specifier)
            yield normalised(parsed.name), ",".join(clause.partition("+")[0] for clause in clauses)


def _of_project(text: str) -> list[str]:
    """Return the requirements of [project] and of the dependency groups; [] for any other file."""
    try:
        parsed: dict[str, Any] = toml(text)
    except ValueError:
        return []
    project, groups = parsed.get("project"), parsed.get("dependency-groups")
    candidates = [project.get("dependencies")] if isinstance(project, dict) else []
    candidates += [*groups.values()] if isinstance(groups, dict) else []
    lists = (candidate for candidate in candidates if isinstance(candidate, list))
    return [line for lines in lists for line in lines if isinstance(line, str)]
