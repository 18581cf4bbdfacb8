"""What fixes do about the machines of the museum, each curable finding changed, each other one told; cures as steps."""

import shlex
import subprocess
import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from museum import altered, diagnosis_of, names, snapshot_of
from rows import rows

from tunedoctor import api
from tunedoctor.diagnosis.agreement import Drafted, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes, marked
from tunedoctor.facts import Interpreter, PackageCopy, Packages, Target, Unknown
from tunedoctor.model.findings import pip, set_variable
from tunedoctor.model.plan import (
    AnyStep,
    DeletePath,
    Draft,
    Fix,
    Install,
    Remove,
    Resolve,
    SetEnv,
    Tell,
    is_told,
    variable_of,
)
from tunedoctor.model.snapshot import Snapshot

CHECKS, FIXES = all_checks(), all_fixes()


def made(snapshot: Snapshot, fixes: tuple[Fix, ...] = FIXES) -> dict[str, Drafted]:
    """Return the drafts for a machine, by the ids of their findings."""
    found = drafted(diagnose(snapshot, CHECKS).causes, snapshot, fixes)
    return {one.id: one for one in found}


def brief(step: AnyStep | Resolve) -> str:
    match step:
        case Resolve(requirements=words):
            return f"resolve {' '.join(words)}"
        case Install(pins=pins, reinstall=again):
            words = (p.requirement + (" anew" if p.name in again else "") for p in pins)
            return f"install {' '.join(words)}"
        case Remove(names=gone):
            return f"remove {' '.join(gone)}"
        case DeletePath(path=path):
            return f"delete {path}"
        case SetEnv(name=name, value=value, where=where):
            return f"{where} {name}" + ("" if value is None else f"={value}")
        case Tell(command=command, who=who):
            return f"tell {who}: {command}"
        case _:
            raise AssertionError(step)


@pytest.mark.parametrize("row", rows("fixes/drafts.jsonl"), ids=lambda row: row["machine"])
def test_what_is_done_about_a_finding(row: dict[str, str]) -> None:
    """A row: machine, finding, and what is done, or who is told."""
    one = made(snapshot_of(row["machine"]))[row["finding"]]
    assert one.draft.reason
    assert one.changes is ("does" in row)
    if one.changes:
        assert "; ".join(map(brief, one.draft.steps)) == row["does"]
    else:
        (step,) = one.draft.steps
        assert isinstance(step, Tell)
        assert (step.command, step.who) == (one.found.finding.cure.command, row["told"])


def test_every_cause_of_every_machine_is_treated() -> None:
    for machine in names():
        causes = diagnosis_of(machine).causes
        several = drafted(causes, snapshot_of(machine), FIXES)
        assert [one.id for one in several] == [one.check.id for one in causes], machine
        for one in several:
            assert one.draft.steps or one.found.finding.cure.kind == "advice", one
            # a suspicion changes nothing
            assert not (one.found.finding.settle and one.changes), one
            for step in one.draft.steps:
                if isinstance(step, DeletePath):
                    assert not step.path.startswith(("/", ".."))
                if isinstance(step, Install):
                    assert all(pin.version for pin in step.pins)
                if not isinstance(step, Resolve) and is_told(step):
                    assert step.command
                # no command of the system, of a container or of another account is ever a change
                assert not (one.changes and "sudo" in str(step))


def test_every_fix_has_a_check() -> None:
    assert {c.id for c in CHECKS} >= {id_ for fix in FIXES for id_ in fix.cures}
    assert all(fix.title for fix in FIXES)


def test_what_lies_outside_the_environment_is_told_alone() -> None:
    own = "/home/ada/.local/lib/python3.12/site-packages"
    snapshot = altered(
        snapshot_of("numpy-doubled"),
        Packages,
        broken=lambda several: tuple(replace(one, location=own) for one in several),
    )
    assert not made(snapshot)["broken-install"].changes


def test_a_fix_of_a_plugin_comes_before_those_built_in() -> None:
    module = ModuleType("mine")

    def mine(finding: api.Finding, host: api.Host) -> Draft:
        return Draft(steps=(Tell(command=f"mine {host.os}", why=finding.found),))

    mine.__module__ = "mine"
    sys.modules["mine"] = module
    try:
        module.mine = api.fix("mine", "Mine", cures=["driver-missing"])(mine)  # type: ignore[attr-defined]
        (one,) = marked(module, "fix")
    finally:
        del sys.modules["mine"]
    first = next(iter(made(snapshot_of("driver-secure-boot"), (one, *FIXES)).values()))
    assert first.fix == "mine"
    assert first.draft.steps[0] == Tell(command="mine linux", why=first.found.finding.found)


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        ("/home/ada/new env does not exist.", "'/home/ada/new env'"),
        ("/home/ada/new env is a link to /gone, which is gone.", "./.venv"),
        ("There is no Python interpreter in /home/ada/new env.", "./.venv"),
    ],
)
def test_a_new_environment_is_offered_where_nothing_is(problem: str, place: str) -> None:
    fixes = tuple(one for one in FIXES if one.id == "tell-new")
    target = Target(asked="/home/ada/new env", chosen_by="--target", problem=problem)
    snapshot = Snapshot({Target: target, Interpreter: Unknown(why=problem)})
    (one,) = made(snapshot, fixes).values()
    told = [s.command for s in one.draft.steps if isinstance(s, Tell)]
    assert told[1:] == [f"doctor fix --new {place}"]


ELSEWHERE = "/home/ada/shared"
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
    """An older peft in another folder hides that of the environment."""
    found = {"name": "peft", "version": "0.21.2", "location": "/env/site"}
    copy = PackageCopy(**found, hidden_by=ELSEWHERE, winner_version="0.17.1")
    snapshot = altered(
        snapshot_of("peft-0.17-with-transformers-5"),
        Packages,
        copies=(copy,),
        distributions=lambda several: tuple(
            replace(d, location=ELSEWHERE) if d.name == "peft" else d for d in several
        ),
    )
    snapshot = altered(snapshot, Interpreter, **{"kind": "venv", "pythonpath": (), **python})
    one = made(snapshot)["library-version-clash"]
    (found,) = one.draft.steps
    told = (found.name, found.value, found.where) if isinstance(found, SetEnv) else found
    assert told == step
    assert one.sets_variables_alone is isinstance(found, SetEnv)


VENV = Interpreter(executable="/home/a da/.venv/bin/python", version="3.12.7", kind="venv")
INDEX = "https://download.pytorch.org/whl/cu128"

packages = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
specs = st.sampled_from(
    ["", "==1.2", ">=0.34.0,<1.0", "<2", "~=1.4", "!=3", "[x]>=1", ";python_version<'3'"]
)
paths = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


@given(st.lists(st.builds(str.__add__, packages, specs), min_size=1, max_size=4), paths)
def test_a_shell_reads_the_words_of_a_step(wanted: list[str], place: str) -> None:
    own = Interpreter(executable=f"/{place}/python", version="3.12.7")
    cure = pip(own, "install", "--upgrade", *wanted, index=INDEX)
    words = shlex.split(cure.command)
    expected = [f"/{place}/python", "-m", "pip", "install", "--upgrade", *wanted]
    assert words == [*expected, "--index-url", INDEX]
    assert cure.installs[0].requirements == tuple(wanted)
    assert cure.installs[0].upgrade


@given(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=30))
def test_bash_sets_the_value_of_a_step(value: str) -> None:
    cure = set_variable(None, "HF_HOME", value)
    assert shlex.split(cure.command) == ["export", f"HF_HOME={value}"]
    step = variable_of(cure, VENV)
    assert step == SetEnv(name="HF_HOME", value=value, where="activate", command=cure.command)


def test_bash_takes_it_as_it_is() -> None:
    value = "GPU-1 'x' $HOME"
    shell = ["bash", "-c", f'{set_variable(None, "NAME", value).command}; printf %s "$NAME"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == value
