"""Requirements for which an index had no usable file: what pip, uv, poetry and conda print of it."""

import re
from collections.abc import Iterator

import msgspec

from tunedoctor.facts import Refusal
from tunedoctor.readers.installing.packages import specifier
from tunedoctor.readers.installing.said import Text
from tunedoctor.readers.lists.names import NAME, VERSION, compact, normalised, version_of_wheel

_ITEM = re.compile(rf"({NAME})([=<>!~].{{0,60}})?")
_OFFER = re.compile(r"[=<>!~][^A-Za-z]\S*(?: ?,? ?[<>=!~]\S*)*")
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
    if not said:
        return
    asked = next((one.fields["index"].rstrip(".") for one in text.said("indexes")), "")
    floors = [(one.fields["version"], compact(one.fields["spec"])) for one in text.said("floor")]
    offers: dict[str, tuple[str, ...]] = {}
    for one in text.said("offered"):
        rows = _OFFER.findall(one.fields["list"])
        versions = tuple(compact(row).removeprefix("==") for row in rows)
        offers.setdefault(normalised(one.fields["name"]), versions)
    for fields in said:
        for name, spec in _named(fields):
            tags = tuple(t.strip(" `") for t in fields.get("tags", "").split(",") if t)
            offered = _offered(fields) if "offered" in fields or tags else offers.get(name)
            own = tuple(
                one
                for one in (floors[:_MOST] if "floors" in fields else ())
                if not spec or spec == f"=={one[0]}" or not offered
            )
            yield msgspec.convert(
                {
                    "name": name,
                    "specifier": spec,
                    "reason": _reason(fields, spec, offered, own),
                    "offered": offered,
                    "python_floors": own,
                    "tag": fields.get("tag", ""),
                    "wheel_tags": tags or _tags(fields.get("file", "")),
                    "index": fields.get("index", asked if "asks" in fields else ""),
                    "installer": fields["installer"],
                },
                Refusal,
            )


def _named(fields: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a row refuses, by name and specifier."""
    if "file" in fields:
        name, version = version_of_wheel(fields["file"])
        return [(name, f"=={version}")] if name else []
    if "items" in fields:
        items = (_ITEM.match(one.strip()) for one in fields["items"].split("- "))
        return [(normalised(one[1]), _of_conda(one[2] or "")) for one in items if one]
    told = (
        _of_conda(fields.get("spec", "")) if fields["installer"] == "conda" else specifier(fields)
    )
    return [(normalised(fields["name"]), told)]


def _tags(file: str) -> tuple[str, ...]:
    return ("-".join(file.removesuffix(".whl").split("-")[-3:]),) if file else ()


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
        installer=one.installer or other.installer,
    )


def _offered(fields: dict[str, str]) -> tuple[str, ...] | None:
    """Return the versions of "from versions: 2.0.0, 2.0.1"; () for "none", None where no list was printed."""
    if "offered" not in fields:
        return None
    versions = (one.strip() for one in fields["offered"].split(","))
    return tuple(one for one in versions if re.fullmatch(VERSION, one))


def _of_conda(spec: str) -> str:
    """Return conda's "2.1", "=2.1" and "==2.1=py311" as others write them."""
    plain = re.sub(r"\*{2,}$", ".*", compact(spec))
    if plain[:1].isdigit() or (plain[:1] == "=" and plain[:2] != "=="):
        plain = f"=={plain.lstrip('=')}"
    return re.sub(r"(==[^=]*)=.*", r"\1", plain)
