"""Copies that win over the environment are kept away; a torch that was removed comes back as it was."""

from msgspec import structs
from museum import snapshot_of

from tunedoctor.agreement import Drafted, drafted
from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter, PackageCopy, Packages
from tunedoctor.fixing import Resolve
from tunedoctor.plan import SetEnv
from tunedoctor.registry import all_checks, all_fixes
from tunedoctor.snapshot import Snapshot

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


def draft(snapshot: Snapshot, id_: str) -> Drafted:
    causes = diagnose(snapshot, CHECKS).causes
    return next(one for one in drafted(causes, snapshot, FIXES) if one.id == id_)


def test_a_library_behind_pythonpath_is_uncovered_and_not_installed() -> None:
    one = draft(hidden(pythonpath=(ELSEWHERE,)), "library-version-clash")
    (step,) = one.draft.steps
    assert isinstance(step, SetEnv)
    assert (step.name, step.value, step.where) == ("PYTHONPATH", None, "activate")
    assert one.sets_variables_alone


def test_a_library_behind_the_user_site_is_uncovered_and_not_installed() -> None:
    one = draft(
        hidden(kind="conda", user_site=ELSEWHERE, user_site_on=True), "library-version-clash"
    )
    (step,) = one.draft.steps
    assert isinstance(step, SetEnv)
    assert (step.name, step.value, step.where) == ("PYTHONNOUSERSITE", "1", "conda")


def test_a_python_whose_packages_go_to_the_user_site_gets_the_install() -> None:
    one = draft(
        hidden(kind="system", user_site=ELSEWHERE, user_site_on=True), "library-version-clash"
    )
    (step,) = one.draft.steps
    assert step == Resolve(requirements=("peft>=0.18.0",))
