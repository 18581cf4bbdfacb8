"""Requirements for which an index had no usable file: what pip, uv and poetry print of it."""

import re
from collections.abc import Iterator

import msgspec

from tunedoctor.facts import Refusal
from tunedoctor.readers.installing.said import Text
from tunedoctor.readers.lists.names import VERSION, compact, normalised, version_of_wheel

_MOST = 200
"""Floors of other Pythons that are kept."""


def refused(text: Text) -> tuple[Refusal, ...]:
    """Return one refusal for each requirement, what several lines tell of it put together."""
    found: dict[tuple[str, str], Refusal] = {}
    for one in _each(text):
        before = found.get((one.name, one.specifier))
        found[one.name, one.specifier] = one if before is None else _filled(before, one)
    asked = {said.fields["index"] for said in text.said("variant")} if found else set()
    index = asked.pop() if len(asked) == 1 else ""
    # uv names no index: it is the one of a variant, where the text asks that alone
    return tuple(
        msgspec.structs.replace(one, index=one.index or index)
        if one.installer == "uv" and one.offered is None
        else one
        for one in found.values()
    )


def _each(text: Text) -> Iterator[Refusal]:
    said = [one.fields for one in text.said("refused")]
    rows = [one.fields for one in text.said("floor")] if said else []
    floors = [(row["version"], compact(row["spec"])) for row in rows][:_MOST]
    for fields in said:
        file = fields.get("file", "")
        name, version = version_of_wheel(file) if file else (fields["name"], fields.get("version"))
        spec = compact(fields.get("spec", "").strip(" ()") or (f"=={version}" if version else ""))
        tags = tuple(one.strip(" `") for one in fields.get("tags", "").split(",") if one)
        of_file = ("-".join(file.removesuffix(".whl").split("-")[-3:]),) if file else ()
        offered = _offered(fields["offered"]) if "offered" in fields else () if tags else None
        own = tuple(
            one
            for one in (floors if fields["installer"] == "pip" else ())
            if not spec or spec == f"=={one[0]}" or not offered
        )
        yield msgspec.convert(
            {
                "name": normalised(name),
                "specifier": spec,
                "reason": _reason(fields, spec, offered, own),
                "offered": offered,
                "python_floors": own,
                "tag": fields.get("tag", ""),
                "wheel_tags": tags or of_file,
                "index": fields.get("index", ""),
                "installer": fields["installer"],
            },
            Refusal,
        )


def _reason(
    fields: dict[str, str],
    spec: str,
    offered: tuple[str, ...] | None,
    floors: tuple[tuple[str, str], ...],
) -> str:
    if floors and (not offered or any(spec == f"=={version}" for version, _ in floors)):
        return "python"
    kind = fields.get("kind", "")
    if kind:
        return "platform" if kind == "platform" else "python" if "version" in kind else "abi"
    if "reason" in fields:
        return fields["reason"]
    if fields["installer"] == "uv":
        return "version" if spec else "nothing"
    return "unknown" if offered is None else "version" if offered else "nothing"


def _filled(one: Refusal, other: Refusal) -> Refusal:
    return msgspec.structs.replace(
        one,
        reason=other.reason if one.reason == "unknown" else one.reason,
        offered=other.offered if one.offered is None else one.offered,
        python_floors=one.python_floors or other.python_floors,
        tag=one.tag or other.tag,
        wheel_tags=tuple(dict.fromkeys((*one.wheel_tags, *other.wheel_tags))),
        index=one.index or other.index,
    )


def _offered(told: str) -> tuple[str, ...]:
    """Return the versions of "2.0.0, 2.0.1"; () for "none"."""
    versions = (one.strip() for one in told.split(","))
    return tuple(one for one in versions if re.fullmatch(VERSION, one))
