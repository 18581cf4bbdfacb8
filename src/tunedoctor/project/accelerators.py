"""Extras and groups of a uv project that exclude each other, one for each kind of GPU: read, chosen, and added."""

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tunedoctor.model.versions import normalised
from tunedoctor.project.declare import Request, index_sources
from tunedoctor.project.edits import EditError, add_to_pyproject
from tunedoctor.project.locked_packages import build_in_url, marker_holds
from tunedoctor.project.pyproject import read_default_groups
from tunedoctor.project.torch_source import torch_build_of_source, torch_index
from tunedoctor.system.reading import toml
from tunedoctor.wheels.rules import index_name

_VENDORS = {"cu": "nvidia", "rocm": "amd", "xpu": "intel", "cpu": ""}
_MARKERS = {
    "rocm": "sys_platform == 'linux'",
    "": "sys_platform == 'linux' or sys_platform == 'win32'",
}
"""Platforms that the builds of a kind exist for."""
_PLATFORMS = ("linux", "win32", "darwin")
_MAC_INDEX = "pytorch-cpu"


class Part(NamedTuple):
    """An extra or a dependency group of the project."""

    kind: str
    """"extra" or "group"."""
    name: str


class Parts(NamedTuple):
    """What of a project is installed."""

    extras: tuple[str, ...]
    groups: tuple[str, ...]
    """In addition to the default ones."""
    default_groups: tuple[str, ...]
    chosen: str = ""
    """The option that doctor added for the machine's GPU: "--group rocm6.4"; "" if it added none."""


class AcceleratorGroup(NamedTuple):
    """A dependency group with the PyTorch for one kind of GPU."""

    name: str
    requirements: tuple[str, ...]
    """Without a marker: "torch>=2.7"."""
    url: str = ""
    """Of its index; "" for the default one."""
    index_name: str = ""


class MachineBuild(NamedTuple):
    """The PyTorch that a project is to install on one machine."""

    platform: str
    """As sys_platform has it."""
    vendor: str
    """Of the GPUs that the build is for: nvidia, amd, intel or ""."""
    url: str
    """Of the index; "" for the default one."""
    requests: tuple[Request, ...]
    """What is to change: torch and its companions; () if the build is right already."""


def read_conflicts(text: str) -> tuple[tuple[Part, ...], ...]:
    """Return the sets of extras and groups of which uv installs only one; () if a pyproject.toml has none."""
    if "conflicts" not in text:
        return ()
    try:
        values = toml(text)
    except ValueError:
        return ()
    uv = values.get("tool", {}).get("uv", {})
    found = []
    for rows in uv.get("conflicts", ()) if isinstance(uv, dict) else ():
        parts = [
            Part(kind, normalised(row[kind]))
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
            for kind in ("extra", "group")
            if isinstance(row.get(kind), str)
        ]
        found.append(tuple(parts))
    return tuple(found)


def vendor_of_build(build: str, platform: str) -> str:
    """Return whose GPUs a build is for: nvidia, amd, intel or "". Without a name it is that of the default index."""
    for start, vendor in _VENDORS.items():
        if build.startswith(start):
            return vendor
    return "nvidia" if platform == "linux" else ""


def choose_parts(
    text: str,
    extras: Collection[str],
    groups: Collection[str],
    environment: Mapping[str, str],
    vendor: str,
) -> Parts:
    """Return what uv installs of a project for a GPU of `vendor`.

    A part that is named takes the place of default groups that it excludes. If none of a set is named, and the default
    is a PyTorch for other GPUs, the only part with one for this GPU counts.
    """
    extras, groups = tuple(map(normalised, extras)), tuple(map(normalised, groups))
    defaults = tuple(map(normalised, read_default_groups(text)))
    platform = environment.get("sys_platform", "")
    chosen = ""
    for parts in read_conflicts(text):
        named = [one for one in parts if one.name in (extras if one.kind == "extra" else groups)]
        if not named:
            builds = {
                one: torch_build_of_source(text, environment, {one.name})
                for one in parts
                if _brings_torch(text, one)
            }
            own = torch_build_of_source(text, environment, {*extras, *groups, *defaults})
            fitting = [one for one, b in builds.items() if vendor_of_build(b, platform) == vendor]
            if vendor_of_build(own, platform) == vendor or len(fitting) != 1:
                continue
            named = fitting
            chosen = f"--{fitting[0].kind} {fitting[0].name}"
            if fitting[0].kind == "extra":
                extras += (fitting[0].name,)
            else:
                groups += (fitting[0].name,)
        excluded = {one.name for one in parts if one.kind == "group" and one not in named}
        defaults = tuple(name for name in defaults if name not in excluded)
    return Parts(extras, groups, defaults, chosen)


def _brings_torch(text: str, part: Part) -> bool:
    values = toml(text)
    if part.kind == "extra":
        tables = values.get("project", {}).get("optional-dependencies", {})
    else:
        tables = values.get("dependency-groups", {})
    rows = next((rows for name, rows in tables.items() if normalised(name) == part.name), ())
    return any(isinstance(row, str) and re.match(r"torch\b(?!-)", row) for row in rows)


def has_torch_parts(text: str) -> bool:
    """Return whether extras or groups of a pyproject.toml decide which PyTorch uv installs."""
    return any(_brings_torch(text, part) for parts in read_conflicts(text) for part in parts)


def machine_build(
    text: str, environment: Mapping[str, str], requests: Iterable[Request]
) -> MachineBuild:
    """Return the build for a machine: the one that is requested, else the one that the project has for it."""
    requests = tuple(requests)
    platform = environment.get("sys_platform", "")
    chosen = {*map(normalised, read_default_groups(text))}
    url = requests[0].index_url if requests else torch_index(text, environment, chosen)
    vendor = vendor_of_build(build_in_url(url) if url else "", platform)
    return MachineBuild(platform, vendor, url, requests)


def need_several_builds(builds: Collection[MachineBuild]) -> bool:
    """Return whether a single index does not do: the machines differ in platform or in the make of their GPUs."""
    kinds = {(one.platform, one.vendor) for one in builds}
    return any(one.requests for one in builds) and len(kinds) > 1


def declare_builds(
    text: str, builds: Collection[MachineBuild], requirements: Mapping[str, str], mac_index: str
) -> str:
    """Return a pyproject.toml of uv with the build for each machine.

    Indexes count for a platform each; if a platform has GPUs of several makes, each of them gets a dependency group.
    `requirements`: name -> requirement of torch and its companions. `mac_index`: URL of an index with builds for a Mac.
    Raises EditError if machines of one platform and one make need different indexes.
    """
    kinds: dict[tuple[str, str], MachineBuild] = {}
    for one in sorted(builds, key=lambda one: not one.requests):
        before = kinds.setdefault((one.platform, one.vendor), one)
        if one.requests and one.url != before.url:
            raise EditError(f"the machines need PyTorch from {before.url} and from {one.url}")
    platforms = [platform for platform, _ in kinds]
    if len(set(platforms)) == len(platforms):
        for one in kinds.values():
            marker = f"sys_platform == '{one.platform}'"
            text = add_to_pyproject(text, (), index_sources(one.requests, marker))
        return text
    groups: dict[str, AcceleratorGroup] = {}
    default = ""
    for number, one in enumerate(builds):
        name = _group_name(one)
        build = kinds[one.platform, one.vendor]
        if one.platform == "darwin":
            continue
        if not groups and build.url and number == 0:
            default = name
        rows = tuple(requirements.values())
        groups.setdefault(
            name,
            AcceleratorGroup(name, rows, build.url, index_name(build.url) if build.url else ""),
        )
    return add_accelerator_groups(text, groups.values(), mac_index, default)


def _group_name(build: MachineBuild) -> str:
    if build.url:
        return build_in_url(build.url).replace(".", "") or build.vendor
    return "cuda" if build.vendor == "nvidia" else "cpu"


def sync_command(text: str, index_url: str) -> str:
    """Return the uv command that installs the part of a project with the builds of an index; "" if none has them."""
    wanted = vendor_of_build(build_in_url(index_url), sys.platform)
    environment = {"sys_platform": sys.platform}
    chosen = choose_parts(text, (), (), environment, wanted)
    if not chosen.chosen:
        return ""
    defaults = map(normalised, read_default_groups(text))
    left = [one for one in defaults if one not in chosen.default_groups]
    return " ".join(("uv sync", *(f"--no-group {one}" for one in left), chosen.chosen))


def add_accelerator_groups(
    text: str, groups: Iterable[AcceleratorGroup], mac_index: str, default: str
) -> str:
    """Return a pyproject.toml with a dependency group for each kind of GPU, of which uv installs one.

    `default`: the group that a plain `uv sync` installs; "" for none. `mac_index`: URL of the index with builds for a
    Mac, which none of the groups has. Raises EditError if parts of the project exclude each other already.
    """
    import tomlkit  # noqa: PLC0415  12 ms, and only a fix of a project adds tables
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    groups = list(groups)
    if has_torch_parts(text):
        raise EditError(
            "extras or groups of the project choose the PyTorch already; add one to them"
        )
    try:
        document: Any = tomlkit.parse(text)
        tables = _table(document, "dependency-groups")
        for group in groups:
            tables[group.name] = _value(f"[{', '.join(map(_quoted, _rows(group)))}]")
        uv = _table(document, "tool", "uv")
        if default:
            before = uv.get("default-groups")
            names = list(before) if before is not None else ["dev"] * ("dev" in tables)
            uv["default-groups"] = [*names, default]
        conflict = ", ".join(f'{{ group = "{group.name}" }}' for group in groups)
        if uv.get("conflicts") is None:
            uv["conflicts"] = _value(f"[\n    [{conflict}],\n]")
        else:
            uv["conflicts"].append(_value(f"[{conflict}]"))
        blocks = _index_blocks(uv, groups, mac_index)
        sources = uv.get("sources")
        if sources is None:
            blocks.append("[tool.uv.sources]")
        for package in _packages(groups):
            value = _source_rows(sources, package, groups)
            if sources is None:
                blocks[-1] += f"\n{package} = {value}"
            else:
                sources[package] = _value(value)
        new = str(tomlkit.dumps(document)).rstrip("\r\n")
    except (TOMLKitError, AttributeError, TypeError, KeyError) as error:
        raise EditError(f"pyproject.toml cannot be changed: {error}") from None
    new = "\n\n".join((new, *blocks)) + "\n"
    return re.sub(r"\r?\n", "\r\n", new) if "\r\n" in text else new


def _rows(group: AcceleratorGroup) -> list[str]:
    marker = _marker(group)
    return [f"{one} ; {marker}" if marker else one for one in group.requirements]


def _packages(groups: Iterable[AcceleratorGroup]) -> list[str]:
    return list(dict.fromkeys(map(_name, (row for one in groups for row in one.requirements))))


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def _index_blocks(uv: Any, groups: Iterable[AcceleratorGroup], mac_index: str) -> list[str]:  # noqa: ANN401  tomlkit's types
    """Return the tables of the indexes that the project does not have yet."""
    known = {str(row.get("name", "")) for row in uv.get("index") or ()}
    urls = {group.index_name: group.url for group in groups if group.url}
    # uv gives a Mac the build of the chosen group, if nothing names another index for it
    return [
        f'[[tool.uv.index]]\nname = "{name}"\nurl = "{url}"\nexplicit = true'
        for name, url in {**urls, _MAC_INDEX: mac_index}.items()
        if name not in known
    ]


def _source_rows(
    sources: Mapping[str, Any] | None, package: str, groups: Iterable[AcceleratorGroup]
) -> str:
    """Return the list of sources of a package, as TOML; the ones for a Mac alone stay."""
    old = sources.get(package) if sources is not None else None
    rows = old if isinstance(old, list) else [old] if old is not None else []
    kept = [row for row in rows if _is_for_mac_alone(str(row.get("marker", "")))]
    rows = kept or [{"index": _MAC_INDEX, "marker": "sys_platform == 'darwin'"}]
    rows += [
        {"index": group.index_name, "group": group.name, "marker": _marker(group)}
        for group in groups
        if group.url and package in map(_name, group.requirements)
    ]
    lines = [", ".join(f"{key} = {_quoted(str(row[key]))}" for key in row) for row in rows]
    return "".join(("[\n", *(f"    {{ {line} }},\n" for line in lines), "]"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(text: str) -> Any:  # noqa: ANN401  tomlkit's types
    """Return a value of TOML as it is written."""
    import tomlkit  # noqa: PLC0415

    return tomlkit.parse(f"value = {text}\n")["value"]


def _marker(group: AcceleratorGroup) -> str:
    """Return on which platforms the builds of a group exist; "" for the default index, which has one for each."""
    if not group.url:
        return ""
    return _MARKERS["rocm" if "rocm" in group.index_name else ""]


def _is_for_mac_alone(marker: str) -> bool:
    values = {platform: marker_holds(marker, {"sys_platform": platform}) for platform in _PLATFORMS}
    return values["darwin"] and not (values["linux"] or values["win32"])


def _table(document: Any, *keys: str) -> Any:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415

    for number, key in enumerate(keys):
        if document.get(key) is None:
            document[key] = tomlkit.table(is_super_table=number < len(keys) - 1)
        document = document[key]
    return document
