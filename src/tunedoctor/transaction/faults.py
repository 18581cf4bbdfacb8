"""Hold a changed environment against its plan: versions, RECORD hashes, metadata."""

from collections.abc import Collection, Iterable

from tunedoctor.advice.requirements import unmet
from tunedoctor.facts import Host, Interpreter, Packages, TorchBuild
from tunedoctor.plan import Plan
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.records import faults, info_folders


def hold(found: Iterable[str]) -> None:
    """Stop where there are faults.

    Raises:
        FailureError: there are; it names the first three.
    """
    if several := list(found):
        more = f", and {len(several) - 3} more" if len(several) > 3 else ""
        raise FailureError("; ".join(several[:3]) + more)


def file_faults(ground: Ground, names: Collection[str]) -> tuple[str, ...]:
    """Return where the files of distributions are not what their RECORD says."""
    return tuple(one for info in info_folders(ground.site, names) for one in faults(info))


def plan_faults(plan: Plan, after: Packages) -> list[str]:
    """Return where the packages are not what the plan wants."""
    found = [
        f"{pin.name} {pin.version} was to be installed, and {after.version(pin.name) or 'none'} is there"
        for pin in plan.pins
        if not same(after.version(pin.name), pin.version)
    ]
    return found + [f"{n} was to be removed, and is there" for n in plan.removed if after.get(n)]


def metadata_faults(before: Snapshot | None, after: Snapshot) -> list[str]:
    """Return requirements that the change broke, and distributions that it left broken."""
    old = {key for key, _ in _faults(before)} if before else set()
    return [text for key, text in _faults(after) if key not in old]


def _faults(snapshot: Snapshot) -> Iterable[tuple[tuple[str, str], str]]:
    """Yield who is at fault and with what, and the sentence; versions tell no fault from another."""
    packages = snapshot.find(Packages)
    if packages is None:
        return
    names = [one.name for one in packages.distributions]
    interpreter, host = snapshot.find(Interpreter), snapshot.find(Host)
    for one in unmet(packages, interpreter, host, snapshot.find(TorchBuild), names):
        have = one.installed or "none"
        said = f"{one.owner.name} {one.owner.version} needs {one.wanted}, and {have} is installed"
        yield (one.owner.name, one.name), said
    for broken in packages.broken:
        said = f"{broken.name}: {broken.problem}: {broken.detail}"
        yield (broken.name, broken.problem), said


def same(have: str, want: str) -> bool:
    """Compare versions; a pin without label is met by a build that has one, as installers see it."""
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415  13 ms, and only a fix pays

    try:
        one, other = Version(have), Version(want)
    except InvalidVersion:
        return have == want
    return one == other or (not other.local and one.public == other.public)
