"""What installers, resolvers and libraries' own guards tell to be there, or to be broken."""

from collections.abc import Iterator

from tunedoctor.facts import BrokenDistribution
from tunedoctor.readers.installing.said import Said, Text
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import compact, normalised


def packages_said(text: Text) -> Iterator[Entry | BrokenDistribution]:
    """Yield the packages and the broken distributions of all such sentences."""
    for said in text.said("there"):
        fields = said.fields
        wants = (
            normalised(fields["wants"]) + compact(fields.get("spec", ""))
            if "wants" in fields
            else ""
        )
        listed = [token.rpartition("-")[::2] for token in fields.get("list", "").split()]
        for name, version in listed or [(fields["name"], fields["version"])]:
            if version[:1].isdigit():
                yield Entry(
                    said.line,
                    normalised(name),
                    version.rstrip(".-"),
                    installer=fields.get("installer", ""),
                    location=fields.get("place", ""),
                    requires=(wants,) if wants else (),
                    removed="removed" in fields,
                    weak="weak" in fields,
                )
    yield from map(_broken, text.said("broken"))


def _broken(said: Said) -> BrokenDistribution:
    if "name" in said.fields:
        name = normalised(said.fields["name"])
        return BrokenDistribution(name=name, problem="no version", detail=said.text)
    # pip leaves the first letter out and puts a dash: "-orch" is what is left of torch, the folder is ~orch
    folder = "~" + said.fields["rest"].removeprefix("-").partition("-")[0]
    return BrokenDistribution(
        name=folder, problem="leftover", detail=folder, location=said.fields["place"]
    )
