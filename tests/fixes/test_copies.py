"""Copies that win over the environment are kept away; a torch that was removed comes back as it was."""

import pytest
from msgspec import structs
from museum import snapshot_of

from tunedoctor.diagnosis.agreement import drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import Interpreter, PackageCopy, Packages
from tunedoctor.model.plan import Resolve, SetEnv
from tunedoctor.model.snapshot import Snapshot

CHECKS, FIXES = all_checks(), all_fixes()
ELSEWHERE = "/home/ada/shared"


def hidden(**python: object) -> Snapshot:
    """Return an environment whose peft is hidden by an older one in another folder."""
    snapshot = snapshot_of("peft-0.17-with-transformers-5")
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    assert packages is not None
    assert interpreter is not None
    copy = PackageCopy(
        name="peft",
        version="0.21.2",
        location="/env/site",
        hidden_by=ELSEWHERE,
        winner_version="0.17.1",
    )
    held = tuple(
        structs.replace(d, location=ELSEWHERE) if d.name == "peft" else d
        for d in packages.distributions
    )
    packages = structs.replace(packages, distributions=held, copies=(copy,))
    changed = structs.replace(interpreter, **{"kind": "venv", "pythonpath": (), **python})
    return snapshot.having(packages).having(changed)


USER = {"user_site": ELSEWHERE, "user_site_on": True}


@pytest.mark.parametrize(
    ("python", "step"),
    [
        ({"pythonpath": (ELSEWHERE,)}, ("PYTHONPATH", None, "activate")),
        ({"kind": "conda", **USER}, ("PYTHONNOUSERSITE", "1", "conda")),
        # a Python whose packages go to the user site gets the install
        ({"kind": "system", **USER}, Resolve(requirements=("peft>=0.18.0",))),
    ],
)
def test_a_library_behind_a_copy_is_uncovered_and_not_installed(
    python: dict[str, object], step: object
) -> None:
    snapshot = hidden(**python)
    several = drafted(diagnose(snapshot, CHECKS).causes, snapshot, FIXES)
    one = next(one for one in several if one.id == "library-version-clash")
    (found,) = one.draft.steps
    told = (found.name, found.value, found.where) if isinstance(found, SetEnv) else found
    assert told == step
    assert one.sets_variables_alone is isinstance(found, SetEnv)
