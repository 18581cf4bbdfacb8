"""Put in the libraries that the stack needs and the environment lacks."""

from tunedoctor.api import Draft, Finding, Install, Pin, Resolve, exact, fix, name_of

CUDA = ("nvidia-", "cuda-")
"""Wheels that torch alone chooses: the version is that of its own metadata."""


@fix(
    "missing-libraries",
    "Install what the stack needs and lacks",
    cures=["missing-dependency", "cuda-library-missing"],
)
def missing_libraries(finding: Finding) -> Draft | None:
    """Take exact versions of CUDA wheels as they are; what else is missing is resolved around what is there."""
    lines = finding.cure.installs
    wanted = [one for line in lines if not line.anew for one in line.requirements]
    pins = [pair for one in wanted if one.startswith(CUDA) and (pair := exact(one))]
    rest = tuple(one for one in wanted if name_of(one) not in {name for name, _ in pins})
    steps: list[Install | Resolve] = []
    if pins:
        steps.append(Install(pins=tuple(Pin(name=name, version=v) for name, v in pins)))
    if rest:
        steps.append(Resolve(requirements=rest))
    return Draft(steps=tuple(steps), reason=finding.found) if steps else None
