"""Short ways to write facts that many tests need."""

from tunedoctor.facts import Distribution, Packages


def packages(**versions: str) -> Packages:
    """Return an environment with exactly these packages: `packages(torch="2.9.1")`."""
    return some_packages(complete=True, **versions)


def some_packages(*, complete: bool = False, **versions: str) -> Packages:
    """Return an environment with these packages, which may have others too."""
    distributions = (Distribution(name=name, version=of) for name, of in versions.items())
    return Packages(distributions=tuple(distributions), complete=complete)
