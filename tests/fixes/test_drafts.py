"""What fixes do about the machines of the museum; cures as steps, of which those are shown that a fix carries out."""

import shlex
import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from museum import altered, diagnosis_of, names, snapshot_of
from packaging.specifiers import SpecifierSet

from tunedoctor import api
from tunedoctor import facts as kinds
from tunedoctor.advice.error_texts import compares, find_error, misfits
from tunedoctor.diagnosis.agreement import Drafted, chosen, cures_shown, drafted
from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis, diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes, marked
from tunedoctor.model import findings as model
from tunedoctor.model import plan as plans
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import simplify_specifiers

CHECKS, FIXES = all_checks(), all_fixes()


def made(snapshot: Snapshot, fixes: tuple[plans.Fix, ...] = FIXES) -> dict[str, Drafted]:
    found = drafted(diagnose(snapshot, CHECKS).causes, snapshot, fixes)
    return {one.id: one for one in found}


def changes_for(machine: str, finding: str) -> tuple[plans.Step, ...]:
    """Return the steps by which doctor itself fixes a finding of a recorded machine."""
    one = made(snapshot_of(machine))[finding]
    assert one.draft.reason
    assert one.changes
    return one.draft.steps


@pytest.mark.parametrize(
    ("machine", "finding", "requirements"),
    [
        ("driver-550-with-cu130", "driver-too-old", ("torch==2.9.1+cu128",)),
        ("driver-470-v100-cu126", "driver-too-old", ("torch==2.7.1+cu118",)),
        ("cpu-wheel-with-rtx4090", "torch-cpu-only", ("torch==2.9.1+cu128",)),
        ("rx7900xtx-with-cuda-build", "torch-cpu-only", ("torch==2.9.1+rocm6.4",)),
        ("rtx5090-with-cu124", "gpu-too-new-for-torch", ("torch==2.7.1+cu128",)),
        ("p100-with-cu128", "gpu-too-old-for-torch", ("torch==2.9.1+cu126",)),
        ("torch-in-another-interpreter", "torch-missing", ("torch==2.14.1+cu126", "torchvision")),
        ("glibc-2.26", "glibc-too-old", ("torch==2.6.0",)),
        ("macos-13-with-torch-2.9", "macos-too-old", ("torch==2.8.0",)),
        ("torch-1.13-of-its-time", "torch-old", ("torch==2.14.1+cu126",)),
        ("transformers-5-with-torch-2.3", "torch-too-old-for-library", ("torch==2.4.1+cu121",)),
        ("peft-0.17-with-transformers-5", "library-version-clash", ("peft>=0.18.0",)),
        ("tqdm-uninstalled", "missing-dependency", ("tqdm>=4.27",)),
        ("numpy-2-under-torch-2.2", "numpy-abi", ("numpy<2",)),
        ("numpy-2-beside-a-stranger", "numpy-abi", ("gensim>4.3.2",)),
        (
            "bitsandbytes-without-cuda-130",
            "quantisation-library-mismatch",
            ("bitsandbytes>=0.50.0",),
        ),
        ("deepspeed-import-fails", "library-import-fails", ("deepspeed",)),
        ("libcudart-12-under-cuda-13", "cuda-library-missing", ("xformers",)),
        ("safetensors-asks-for-a-name-that-went", "library-import-fails", ("safetensors>0.8.0",)),
    ],
)
def test_a_fix_asks_for_versions(machine, finding, requirements):
    (step,) = changes_for(machine, finding)
    assert step.requirements == requirements


@pytest.mark.parametrize(
    ("machine", "finding", "pin", "reinstall"),
    [
        ("cudnn-wheel-missing", "cuda-library-missing", "nvidia-cudnn-cu12==9.10.2.21", ()),
        (
            "torchvision-cpu-beside-cuda",
            "torch-companion-mismatch",
            "torchvision==0.24.1+cu126",
            ("torchvision",),
        ),
        ("transformers-files-missing", "broken-install", "transformers==5.13.1", ("transformers",)),
        ("datasets-import-fails", "library-import-fails", "datasets==5.0.1", ("datasets",)),
        ("peft-ends-the-trainer", "library-import-fails", "peft==0.21.2", ("peft",)),
        ("torch-crashes", "torch-import-crash", "torch==2.9.1+cu126", ("torch",)),
        ("built-for-another-python", "broken-install", "numpy==2.2.6", ("numpy",)),
    ],
)
def test_a_fix_installs_one_version(machine, finding, pin, reinstall):
    (step,) = changes_for(machine, finding)
    assert [one.requirement for one in step.pins] == [pin]
    assert step.reinstall == reinstall


@pytest.mark.parametrize(
    ("machine", "finding", "name", "value", "where"),
    [
        (
            "bnb-variable-empty",
            "quantisation-library-mismatch",
            "BNB_CUDA_VERSION",
            None,
            "activate",
        ),
        ("user-site-wins", "user-site-shadowing", "PYTHONNOUSERSITE", "1", "conda"),
        ("pythonpath-hides-a-newer", "local-file-shadowing", "PYTHONPATH", None, "activate"),
        (
            "rx6600xt-wrong-override",
            "rocm-override-wrong",
            "HSA_OVERRIDE_GFX_VERSION",
            "10.3.0",
            "activate",
        ),
        (
            "rx7800xt-needless-override",
            "rocm-override-wrong",
            "HSA_OVERRIDE_GFX_VERSION",
            None,
            "activate",
        ),
        ("foreign-cudnn-in-front", "library-path-shadowing", "LD_LIBRARY_PATH", None, "activate"),
        (
            "visible-devices-empty",
            "visible-devices-wrong",
            "CUDA_VISIBLE_DEVICES",
            None,
            "activate",
        ),
        ("hub-cache-of-root", "hub-cache-permission", "HF_HOME", "/tmp/hf", "activate"),
        (
            "torch-backend-half-removed",
            "torch-import-crash",
            "TORCH_DEVICE_BACKEND_AUTOLOAD",
            "0",
            "activate",
        ),
        ("pythonpath-of-another-python", "local-file-shadowing", "PYTHONPATH", None, "activate"),
    ],
)
def test_a_fix_sets_a_variable(machine, finding, name, value, where):
    (step,) = changes_for(machine, finding)
    assert isinstance(step, plans.SetEnv)
    assert (step.name, step.value, step.where) == (name, value, where)


def test_a_companion_of_another_torch_is_removed():
    (step,) = changes_for("xformers-of-another-torch", "torch-companion-mismatch")
    assert step == plans.Remove(names=("xformers",))


def test_one_of_two_cuda_majors_is_removed_and_the_other_reinstalled():
    remove, install = changes_for("two-nccl-majors", "mixed-cuda-wheels")
    assert remove == plans.Remove(names=("nvidia-nccl-cu13",))
    assert [one.requirement for one in install.pins] == ["nvidia-nccl-cu12==2.27.5"]
    assert install.reinstall == ("nvidia-nccl-cu12",)


def test_a_package_of_two_versions_is_reinstalled_without_the_old_metadata():
    delete, install = changes_for("numpy-doubled", "broken-install")
    assert delete.path == "lib/python3.12/site-packages/numpy-1.26.4.dist-info"
    assert [one.requirement for one in install.pins] == ["numpy==2.2.6"]
    assert install.reinstall == ("numpy",)


def test_leftovers_of_pip_are_deleted():
    site = "lib/python3.12/site-packages"
    steps = changes_for("torch-leftover", "broken-install")
    assert [step.path for step in steps] == [f"{site}/~orch", f"{site}/~orch-2.8.0.dist-info"]


@pytest.mark.parametrize(
    ("machine", "finding", "who"),
    [
        ("driver-secure-boot", "driver-missing", "reboot"),
        ("driver-not-installed", "driver-missing", "reboot"),
        ("nvml-version-mismatch", "driver-library-mismatch", "reboot"),
        ("docker-without-gpus-flag", "container-gpu-not-passed", "user"),
        ("rocm-not-in-render-group", "rocm-device-permission", "root"),
        ("windows-commit-limit", "pagefile-too-small", "root"),
        ("no-c-compiler", "compiler-missing", "root"),
        ("docker-shm-64m", "shm-too-small", "user"),
        ("folder-called-torch", "local-file-shadowing", "user"),
        ("flash-attn-undefined-symbol", "extension-abi-mismatch", "user"),
        ("disk-cache-full", "disk-full", "user"),
        ("mig-not-pinned", "mig-misconfigured", "user"),
        ("python-3.16-bare", "python-unsupported", "user"),
        ("gpu-off-the-bus", "gpu-faulty", "root"),
    ],
)
def test_what_doctor_cannot_change_is_a_manual_step(machine, finding, who):
    one = made(snapshot_of(machine))[finding]
    assert one.draft.reason
    assert not one.changes
    (step,) = one.draft.steps
    assert (step.command, step.who) == (one.found.finding.cure.command, who)


def test_every_cause_of_every_machine_is_treated():
    for machine in names():
        causes = diagnosis_of(machine).causes
        several = drafted(causes, snapshot_of(machine), FIXES)
        assert [one.id for one in several] == [one.check.id for one in causes], machine
        for one in several:
            assert one.draft.steps or one.found.finding.cure.kind == "advice", one
            # a suspicion changes nothing
            assert not (one.found.finding.settle and one.changes), one
            for step in one.draft.steps:
                if isinstance(step, plans.DeletePath):
                    assert not step.path.startswith(("/", ".."))
                if isinstance(step, plans.Install):
                    assert all(pin.version for pin in step.pins)
                if not isinstance(step, plans.Resolve) and plans.is_manual(step):
                    assert step.command
                # no command of the system, of a container or of another account is ever a change
                assert not (one.changes and "sudo" in str(step))


def test_every_fix_has_a_check():
    assert {c.id for c in CHECKS} >= {id_ for fix in FIXES for id_ in fix.cures}
    assert all(fix.title for fix in FIXES)


def test_what_lies_outside_the_environment_is_told_alone():
    own = "/home/ada/.local/lib/python3.12/site-packages"
    snapshot = altered(
        snapshot_of("numpy-doubled"),
        kinds.Packages,
        broken=lambda several: tuple(replace(one, location=own) for one in several),
    )
    assert not made(snapshot)["broken-install"].changes


def test_a_fix_of_a_plugin_comes_before_those_built_in():
    module = ModuleType("mine")

    def mine(finding: api.Finding, host: api.Host) -> plans.Draft:
        return plans.Draft(steps=(plans.Tell(command=f"mine {host.os}", why=finding.found),))

    mine.__module__ = "mine"
    sys.modules["mine"] = module
    try:
        module.mine = api.fix("mine", "Mine", cures=["driver-missing"])(mine)
        (one,) = marked(module, "fix")
    finally:
        del sys.modules["mine"]
    first = next(iter(made(snapshot_of("driver-secure-boot"), (one, *FIXES)).values()))
    assert first.fix == "mine"
    assert first.draft.steps[0] == plans.Tell(command="mine linux", why=first.found.finding.found)


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        ("/home/ada/new env does not exist.", "'/home/ada/new env'"),
        ("/home/ada/new env is a broken link to /gone.", "./.venv"),
        ("There is no Python interpreter in /home/ada/new env.", "./.venv"),
    ],
)
def test_a_new_environment_is_offered_where_nothing_is(problem, place):
    fixes = tuple(one for one in FIXES if one.id == "tell-new")
    target = kinds.Target(asked="/home/ada/new env", chosen_by="--target", problem=problem)
    snapshot = Snapshot({kinds.Target: target, kinds.Interpreter: kinds.Unknown(why=problem)})
    (one,) = made(snapshot, fixes).values()
    told = [s.command for s in one.draft.steps if isinstance(s, plans.Tell)]
    assert told[1:] == [f"doctor fix --new {place}"]


ELSEWHERE = "/home/ada/shared"
USER = {"user_site": ELSEWHERE, "user_site_on": True}


@pytest.mark.parametrize(
    ("python", "step"),
    [
        ({"pythonpath": (ELSEWHERE,)}, ("PYTHONPATH", None, "activate")),
        ({"kind": "conda", **USER}, ("PYTHONNOUSERSITE", "1", "conda")),
        # a Python whose packages go to the user site gets the install
        ({"kind": "system", **USER}, plans.Resolve(requirements=("peft>=0.18.0",))),
    ],
)
def test_a_library_behind_a_copy_is_uncovered_and_not_installed(python, step):
    """An older peft in another folder hides that of the environment."""
    found = {"name": "peft", "version": "0.21.2", "location": "/env/site"}
    copy = kinds.PackageCopy(**found, hidden_by=ELSEWHERE, winner_version="0.17.1")
    snapshot = altered(
        snapshot_of("peft-0.17-with-transformers-5"),
        kinds.Packages,
        copies=(copy,),
        distributions=lambda several: tuple(
            replace(d, location=ELSEWHERE) if d.name == "peft" else d for d in several
        ),
    )
    snapshot = altered(snapshot, kinds.Interpreter, **{"kind": "venv", "pythonpath": (), **python})
    one = made(snapshot)["library-version-clash"]
    (found,) = one.draft.steps
    told = (found.name, found.value, found.where) if isinstance(found, plans.SetEnv) else found
    assert told == step
    assert one.sets_variables_alone is isinstance(found, plans.SetEnv)


VENV = kinds.Interpreter(executable="/home/a da/.venv/bin/python", version="3.12.7", kind="venv")
INDEX = "https://download.pytorch.org/whl/cu128"

packages = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
specs = st.sampled_from(
    ["", "==1.2", ">=0.34.0,<1.0", "<2", "~=1.4", "!=3", "[x]>=1", ";python_version<'3'"]
)
paths = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


@given(st.lists(st.builds(str.__add__, packages, specs), min_size=1, max_size=4), paths)
def test_a_shell_reads_the_words_of_a_step(wanted, place):
    own = kinds.Interpreter(executable=f"/{place}/python", version="3.12.7")
    cure = model.pip(own, "install", "--upgrade", *wanted, index=INDEX)
    words = shlex.split(cure.command)
    expected = [f"/{place}/python", "-m", "pip", "install", "--upgrade", *wanted]
    assert words == [*expected, "--index-url", INDEX]
    assert cure.installs[0].requirements == tuple(wanted)
    assert "--upgrade" in cure.installs[0].flags


@given(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=30))
def test_bash_sets_the_value_of_a_step(value):
    cure = model.set_variable(None, "HF_HOME", value)
    assert shlex.split(cure.command) == ["export", f"HF_HOME={value}"]
    step = plans.variable_of(cure, VENV)
    assert step == plans.SetEnv(name="HF_HOME", value=value, where="activate", command=cure.command)


VERSIONS = [f"{a}.{b}" for a in range(4) for b in range(4)]
clause = st.tuples(
    st.sampled_from([">=", "<", "==", "!=", "<=", ">"]), st.sampled_from(VERSIONS)
).map("".join)
ranges = st.lists(clause, max_size=3, unique=True).map(",".join)


@given(st.lists(ranges, max_size=3))
def test_a_narrowed_range_allows_what_all_of_them_allow(several):
    left = simplify_specifiers(several)
    for version in VERSIONS:
        meets = all(version in SpecifierSet(one) for one in several)
        assert meets is (left is not None and version in SpecifierSet(left))


OLDER = model.pip(None, "install", "trl<0.12")


def found(
    number: int, cure: model.Cure, severity: model.Severity, settle: str = ""
) -> DiagnosedFinding:
    check = model.Check(id=f"c{number}", severity=severity, run=lambda: None, origin="")
    return DiagnosedFinding(check, model.Finding(found="f", means="m", cure=cure, settle=settle))


def shown(causes: list[DiagnosedFinding], snapshot: Snapshot = Snapshot.of([])) -> list[model.Cure]:  # noqa: B008
    """Return the cures that are shown of causes, where there is no environment if none is named."""
    whole = Diagnosis(tuple(causes), {one.check.id: () for one in causes}, (), {}, {})
    return [*cures_shown(whole, snapshot, all_fixes).values()]


def test_an_error_keeps_its_line_beside_a_note():
    note = found(1, model.pip(None, "install", "trl>=1.0"), "note")
    one, other = shown([found(0, OLDER, "error"), note])
    assert one.command == 'python -m pip install "trl<0.12"'
    assert other.command == "doctor fix"


@pytest.mark.parametrize("settle", ["", "python -m pip check"])
def test_what_is_suspected_is_for_the_user_to_run(settle):
    snapshot = snapshot_of("healthy-foreign-pip-not-activated")
    (cure,) = shown([found(0, OLDER, "warning", settle)], snapshot)
    assert cure.ours is not bool(settle)
    assert cure.command == 'python -m pip install "trl<0.12"'


def test_what_is_shown_as_a_step_of_the_doctor_is_a_goal_of_fix():
    """For every machine of the museum with an environment, by the words of the report and the drafts of a fix."""
    wrong: list[tuple[str, str, str]] = []
    goals = 0
    for name in names():
        snapshot, diagnosis = snapshot_of(name), diagnosis_of(name)
        if snapshot.find(kinds.Target) is None:
            continue
        notes = tuple(one.check.id for one in diagnosis.causes if one.severity == "note")
        taken = (*chosen(diagnosis, ()), *(chosen(diagnosis, notes) if notes else ()))
        # a note is carried out where it is named
        changed = {
            one.id: one.draft for one in drafted(taken, snapshot, all_fixes()) if one.changes
        }
        for id_, cure in cures_shown(diagnosis, snapshot, all_fixes).items():
            # files of broken installs are deleted by a line for the shell as well
            files = all(
                isinstance(s, plans.DeletePath) for s in getattr(changed.get(id_), "steps", "?")
            )
            goals += id_ in changed
            if (cure.ours or cure.command.startswith("doctor fix") or files) != (id_ in changed):
                wrong.append((name, id_, cure.command))
    assert wrong == []
    assert goals >= 80


@pytest.mark.parametrize(
    ("name", "id_", "kind", "words"),
    [
        ("python-3.13.8", "torch-import-crash", "advice", "Fix python-unsupported: this follows"),
        ("flash-attn-undefined-symbol", "extension-abi-mismatch", "command", "-m pip install"),
        ("flash-attn-undefined-symbol", "library-import-fails", "advice", "Fix extension-abi"),
        ("rosetta-python", "missing-dependency", "advice", "Fix "),
    ],
)
def test_what_no_fix_carries_out_is_no_step_of_the_doctor(name, id_, kind, words):
    diagnosis, snapshot = diagnosis_of(name), snapshot_of(name)
    cure = cures_shown(diagnosis, snapshot, all_fixes)[id_]
    assert not cure.ours
    assert (cure.kind, words in cure.command) == (kind, True), cure.command


def test_an_interpreter_in_a_cure_is_one_word():
    hostile, quoted = "/home/ada/it's my env/.venv", 0
    for name in names():
        snapshot = snapshot_of(name)
        own = snapshot.find(kinds.Interpreter)
        if own is None or not own.executable.startswith("/"):
            continue  # nothing that a POSIX shell is to be given
        moved = replace(own, executable=f"{hostile}/bin/python", prefix=hostile)
        for one in diagnose(snapshot.having(moved), CHECKS).causes:
            for line in one.finding.cure.command.splitlines():
                if "my env" in line:
                    quoted += 1
                    assert any(hostile in w for w in shlex.split(line)), (name, one.check.id, line)
    assert quoted > 50


@given(
    st.lists(st.text(), max_size=5),
    st.lists(st.text(max_size=60), max_size=4),
    st.sampled_from(["a", r"\d+", "error", r"^Killed"]),
)
def test_of_any_text_one_short_line_is_told(texts, files, seen):
    frames = tuple(kinds.Frame(file=file) for file in files)
    errors = kinds.Errors(
        tuple(kinds.ErrorText(text, type=text.partition(":")[0], frames=frames) for text in texts)
    )
    said = find_error(errors, seen)
    assert len(said) <= 160
    assert "\n" not in said
    assert all(one.owner != one.other for one in misfits(errors))
    list(misfits(errors, loosely=True))
    compares(errors)
