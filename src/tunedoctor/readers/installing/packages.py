"""What installers, resolvers and libraries' own guards say of packages: what is there, and what is required."""

from collections.abc import Iterator

from tunedoctor.facts import BrokenDistribution, Requirement
from tunedoctor.readers.installing.said import Said, Text
from tunedoctor.readers.lists.ledger import Entry, Statement
from tunedoctor.readers.lists.names import compact, known, normalised, poetry_specifier


def packages_said(text: Text) -> Iterator[Statement]:
    """Yield the packages, requirements and broken distributions of all such sentences."""
    for said in text.said("there"):
        yield from _there(said)
    for said in text.said("requires"):
        if (one := _requirement(said.fields)) is not None:
            yield one
            yield from _beside(said, one)
    yield from map(_broken, text.said("broken"))


def specifier(fields: dict[str, str]) -> str:
    """Return what is asked for, by any of the fields that tell it."""
    if "poetry" in fields:
        return poetry_specifier(fields["poetry"])
    floor = fields.get("compare", "") + fields.get("floor", "").rstrip(".")
    exact = f"=={fields['version']}" if "version" in fields else floor
    return compact(fields.get("spec", "").strip(" ()") or exact)


def split(token: str) -> tuple[str, str]:
    """Split "nvidia-cudnn-cu12-9.1.0.70" into name and version."""
    name, _, version = token.rpartition("-")
    return normalised(name), version


def _there(said: Said) -> list[Entry]:
    fields = said.fields
    listed = [split(token) for token in fields.get("list", "").split()]
    return [
        Entry(
            said.line,
            name,
            version.rstrip("."),
            installer=fields.get("installer", ""),
            location=fields.get("place", ""),
            removed="removed" in fields,
            weak="weak" in fields,
        )
        for name, version in listed or [(normalised(fields["name"]), fields["version"])]
        if version[:1].isdigit()
    ]


def _requirement(fields: dict[str, str]) -> Requirement | None:
    """Return what a row tells; of common speech, only what the stack is made of counts."""
    name, spec = normalised(fields["name"]), specifier(fields)
    have = fields.get("have", "").rstrip(".-")
    if "stack" in fields:
        if not (known(name) or name == "python") or not spec:
            return None
        have = have if "." in have else ""
    owner = fields.get("owner") or fields.get("other", "")
    by = normalised(owner) if owner else fields.get("by", "")
    at = compact(fields.get("at", "")).removeprefix("==")
    return Requirement(
        name=name,
        specifier=spec,
        by=f"{by} {at}".strip(),
        have=have if have[:1].isdigit() else "",
        missing="missing" in fields,
    )


def _beside(said: Said, one: Requirement) -> list[Entry]:
    """Return the packages that such a sentence tells to be there: who requires, and what is required."""
    fields = said.fields
    there = fields.get("there", "weak" if "stack" in fields else "")
    found: list[Entry] = []
    if there == "both":
        requires = (one.name + one.specifier,)
        owner = normalised(fields["owner"])
        found.append(Entry(said.line, owner, fields.get("at", ""), requires=requires))
    if there and one.have and one.name != "python":
        place = fields.get("place", "")
        found.append(Entry(said.line, one.name, one.have, location=place, weak=there == "weak"))
    return found


def _broken(said: Said) -> BrokenDistribution:
    if "name" in said.fields:
        name = normalised(said.fields["name"])
        return BrokenDistribution(name=name, problem="no version", detail=said.text)
    # pip leaves the first letter out and puts a dash: "-orch" is what is left of torch, the folder is ~orch
    folder = "~" + said.fields["rest"].removeprefix("-").partition("-")[0]
    return BrokenDistribution(
        name=folder, problem="leftover", detail=folder, location=said.fields["place"]
    )
