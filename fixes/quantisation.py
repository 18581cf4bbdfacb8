"""Bring bitsandbytes, torchao and their like to a release that has code for this torch."""

from tunedoctor.api import Draft, Finding, Packages, Resolve, fix, name_of


@fix(
    "quantisation",
    "Install a quantisation library that fits this torch",
    cures=["quantisation-library-mismatch"],
)
def quantisation(finding: Finding, packages: Packages) -> Draft | None:
    """Ask for the release that the finding names, or for a newer one than there is."""
    wanted: list[str] = []
    for line in finding.cure.installs:
        for one in line.requirements:
            there = packages.version(name_of(one)).partition("+")[0]
            wanted.append(f"{one}>{there}" if one == name_of(one) and there else one)
    return (
        Draft(steps=(Resolve(requirements=tuple(wanted)),), reason=finding.found)
        if wanted
        else None
    )
