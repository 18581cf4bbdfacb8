import shlex

from tunedoctor import api

MOST_NAMED = 4
"""Packages that the finding names; the rest is counted."""


@api.check("environment-drift")
def environment_drift(packages: api.Packages) -> api.Finding | None:
    """Report packages whose installed version is not the locked one, those of the training stack first."""
    lock = packages.lock
    if lock is None or not lock.differing:
        return None
    stack = api.table("probes")["stack"]
    differing = sorted(
        lock.differing, key=lambda package: (package.name not in stack, package.name)
    )
    descriptions = [
        f"{package.name} {package.installed} ({lock.file} has {' or '.join(package.locked[:3])})"
        for package in differing[:MOST_NAMED]
    ]
    more = len(differing) - len(descriptions)
    rest = f", and {more} more" if more > 0 else ""
    note = {
        "uv": "also removes packages that the project does not declare; --inexact keeps them",
    }.get(lock.manager, "")
    return api.Finding(
        found=f"{', '.join(descriptions)}{rest}",
        cure=api.tell(sync_command(lock)),
        cure_note=note,
        evidence=(f"{lock.folder}/{lock.file}",),
    )


def sync_command(lock: api.ProjectLock) -> str:
    """Return the command that installs what the lock holds, from any folder."""
    folder = shlex.quote(lock.folder)
    return {
        "uv": f"uv sync --project {folder}",
        "poetry": f"poetry sync -C {folder}",
        "pdm": f"pdm sync -p {folder}",
    }.get(lock.manager, lock.sync)
