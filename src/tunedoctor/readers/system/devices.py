"""Device files and groups: ls of /dev, id, groups, getent."""

import re
from collections.abc import Sequence

from tunedoctor.facts import RocmStack
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown

_NODE = pattern(
    r"^\s{0,8}c(?P<own>...)(?P<group>...)(?P<rest>...)\S?\s{1,6}\d{1,3}\s{1,6}(?P<user>\S{1,40})\s{1,10}"
    r"(?P<name>\S{1,40})\s{1,10}\d{1,5},\s{1,10}\d{1,5}\s.{0,60}?(?P<path>(?:/dev/|\b)(?:dri/)?(?:kfd|renderD\d{1,4}))\s*$"
)
_NONE = pattern(r"cannot access '?\"?/dev/kfd'?\"?: No such file")
_ID = pattern(r"^\s{0,8}uid=(\d{1,10})\(([^)\n]{1,60})\).{0,80}?\bgroups=(\S{1,2000})")
_GROUP = pattern(r"\d{1,10}\(([^)\n]{1,60})\)")
_MOST = 64


def rocm_devices(lines: Sequence[str], shown: Sequence[Shown]) -> RocmStack | None:
    """Return what the files' owners and the user's groups, both told, mean for /dev/kfd and render nodes."""
    if not any("kfd" in line or "renderD" in line for line in lines):
        return None
    nodes = [
        found
        for line in lines
        if "/dev" in line or "render" in line or "kfd" in line
        if (found := _NODE.match(line[:LONGEST]))
    ][:_MOST]
    mine = _own(lines, shown)
    renders = [one for one in nodes if "renderD" in one["path"]]
    kfd = next((one for one in nodes if one["path"].endswith("kfd")), None)
    closed = [one for one in nodes if mine is not None and not _may(one, *mine)]
    if kfd is None and any(_NONE.search(line[:LONGEST]) for line in lines):
        return RocmStack(kfd="missing", dxg=None)
    if not closed:
        return None
    return RocmStack(
        kfd="denied" if kfd is not None and kfd in closed else "not tried",
        render_denied=tuple(_path(one) for one in renders if one in closed),
        render_nodes=tuple(map(_path, renders)),
        groups_missing=tuple(dict.fromkeys(one["name"] for one in closed)),
        dxg=None,
    )


def _path(node: "re.Match[str]") -> str:
    name = node["path"].rpartition("/")[2]
    return f"/dev/dri/{name}" if name.startswith("render") else f"/dev/{name}"


def _own(lines: Sequence[str], shown: Sequence[Shown]) -> tuple[str, frozenset[str]] | None:
    """Return the user's name and groups as `id` or `groups` told them."""
    for line in lines:
        if "uid=" in line and (told := _ID.match(line[:2500])):
            return told[2], frozenset(_GROUP.findall(told[3]))
    for one in shown:
        if one.command.split()[:1] == ["groups"] and one.output:
            words = one.output[0].partition(" : ")[2] or one.output[0]
            if re.fullmatch(r"[\w\s.-]{1,500}", words):
                return "", frozenset(words.split())
    return None


def _may(node: "re.Match[str]", user: str, groups: frozenset[str]) -> bool:
    """Tell whether a user of these groups may read and write."""
    if user == "root":
        return True
    if node["rest"].startswith("rw"):
        return True
    return (node["group"].startswith("rw") and node["name"] in groups) or (
        node["own"].startswith("rw") and bool(user) and node["user"] == user
    )
