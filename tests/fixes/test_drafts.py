"""What the fixes would do about the machines of the museum: each curable finding is changed, each other one told."""

import sys
from types import ModuleType

import msgspec
import pytest
from museum import diagnosis_of, names, snapshot_of

from tunedoctor import api
from tunedoctor.agreement import Drafted, drafted
from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter, Packages, Target, Unknown
from tunedoctor.fixing import Draft, Resolve
from tunedoctor.plan import AnyStep, DeletePath, Install, Remove, SetEnv, Tell, is_told
from tunedoctor.registry import all_checks, all_fixes, marked
from tunedoctor.snapshot import Snapshot

CHECKS, FIXES = all_checks(), all_fixes()
SITE = "lib/python3.12/site-packages"


def drafts(machine: str) -> dict[str, Drafted]:
    snapshot = snapshot_of(machine)
    causes = diagnosis_of(machine).causes
    return {one.id: one for one in drafted(causes, snapshot, FIXES)}


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


CURED = (
    ("driver-550-with-cu130", "driver-too-old", "resolve torch==2.9.1+cu128"),
    ("driver-470-v100-cu126", "driver-too-old", "resolve torch==2.7.1+cu118"),
    ("cpu-wheel-with-rtx4090", "torch-cpu-only", "resolve torch==2.9.1+cu128"),
    ("rx7900xtx-with-cuda-build", "torch-cpu-only", "resolve torch==2.9.1+rocm6.4"),
    ("rtx5090-with-cu124", "gpu-too-new-for-torch", "resolve torch==2.7.1+cu128"),
    ("p100-with-cu128", "gpu-too-old-for-torch", "resolve torch==2.9.1+cu126"),
    ("torch-in-another-interpreter", "torch-missing", "resolve torch==2.14.1+cu126 torchvision"),
    ("glibc-2.26", "glibc-too-old", "resolve torch==2.6.0"),
    ("macos-13-with-torch-2.9", "macos-too-old", "resolve torch==2.8.0"),
    ("torch-1.13-of-its-time", "torch-old", "resolve torch==2.14.1+cu126"),
    ("transformers-5-with-torch-2.3", "torch-too-old-for-library", "resolve torch==2.14.1+cu126"),
    ("peft-0.17-with-transformers-5", "library-version-clash", "resolve peft>=0.18.0"),
    ("tqdm-uninstalled", "missing-dependency", "resolve tqdm"),
    ("cudnn-wheel-missing", "cuda-library-missing", "install nvidia-cudnn-cu12==9.10.2.21"),
    ("numpy-2-under-torch-2.2", "numpy-abi", "resolve numpy<2"),
    ("numpy-2-beside-a-stranger", "numpy-abi", "resolve gensim>4.3.2"),
    (
        "bitsandbytes-without-cuda-130",
        "quantisation-library-mismatch",
        "resolve bitsandbytes>=0.50.0",
    ),
    ("bnb-variable-empty", "quantisation-library-mismatch", "activate BNB_CUDA_VERSION"),
    (
        "torchvision-cpu-beside-cuda",
        "torch-companion-mismatch",
        "install torchvision==0.24.1+cu126 anew",
    ),
    ("xformers-of-another-torch", "torch-companion-mismatch", "remove xformers"),
    (
        "two-nccl-majors",
        "mixed-cuda-wheels",
        "remove nvidia-nccl-cu13; install nvidia-nccl-cu12==2.27.5 anew",
    ),
    (
        "numpy-doubled",
        "broken-install",
        f"delete {SITE}/numpy-1.26.4.dist-info; install numpy==2.2.6 anew",
    ),
    (
        "torch-leftover",
        "broken-install",
        f"delete {SITE}/~orch; delete {SITE}/~orch-2.8.0.dist-info",
    ),
    ("transformers-files-missing", "broken-install", "install transformers==5.13.1 anew"),
    ("deepspeed-import-fails", "library-import-fails", "resolve deepspeed"),
    ("libcudart-12-under-cuda-13", "cuda-library-missing", "resolve xformers"),
    ("datasets-import-fails", "library-import-fails", "install datasets==5.0.1 anew"),
    ("peft-ends-the-trainer", "library-import-fails", "install peft==0.21.2 anew"),
    ("torch-crashes", "torch-import-crash", "install torch==2.9.1+cu126 anew"),
    ("user-site-wins", "user-site-shadowing", "conda PYTHONNOUSERSITE=1"),
    ("pythonpath-hides-a-newer", "local-file-shadowing", "activate PYTHONPATH"),
    (
        "rx6600xt-wrong-override",
        "rocm-override-wrong",
        "activate HSA_OVERRIDE_GFX_VERSION=10.3.0",
    ),
    ("rx7800xt-needless-override", "rocm-override-wrong", "activate HSA_OVERRIDE_GFX_VERSION"),
    ("foreign-cudnn-in-front", "library-path-shadowing", "activate LD_LIBRARY_PATH"),
    ("visible-devices-empty", "visible-devices-wrong", "activate CUDA_VISIBLE_DEVICES"),
    ("hub-cache-of-root", "hub-cache-permission", "activate HF_HOME=/tmp/hf"),
)
"""Machine, finding, and what is done."""


@pytest.mark.parametrize(("machine", "finding", "wanted"), CURED, ids=[c[0] for c in CURED])
def test_a_curable_finding_gets_a_change(machine: str, finding: str, wanted: str) -> None:
    one = drafts(machine)[finding]
    assert one.changes
    assert "; ".join(map(brief, one.draft.steps)) == wanted
    assert one.draft.reason


TOLD = (
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
)


@pytest.mark.parametrize(("machine", "finding", "who"), TOLD, ids=[t[0] for t in TOLD])
def test_what_is_the_users_is_told(machine: str, finding: str, who: str) -> None:
    one = drafts(machine)[finding]
    (step,) = one.draft.steps
    assert isinstance(step, Tell)
    assert (step.command, step.who) == (one.found.finding.cure.command, who)


def test_every_cause_of_every_machine_is_treated() -> None:
    all_made = []
    for machine in names():
        causes = diagnosis_of(machine).causes
        made = drafted(causes, snapshot_of(machine), FIXES)
        assert [one.id for one in made] == [one.check.id for one in causes], machine
        all_made += made
    for one in all_made:
        assert one.draft.steps or one.found.finding.cure.kind == "advice", one
        told = [s.command for s in one.draft.steps if not isinstance(s, Resolve) and is_told(s)]
        assert all(told)
        if one.found.finding.settle:
            assert not one.changes, "a suspicion changes nothing"
        for step in one.draft.steps:
            if isinstance(step, DeletePath):
                assert not step.path.startswith(("/", ".."))
            if isinstance(step, Install):
                assert all(pin.version for pin in step.pins)
            # no command of the system, of a container or of another account is ever a change
            assert not (one.changes and "sudo" in str(step))


def test_every_fix_has_a_check() -> None:
    assert {c.id for c in CHECKS} >= {id_ for fix in FIXES for id_ in fix.cures}
    assert all(fix.title for fix in FIXES)


def test_what_lies_outside_the_environment_is_told_alone() -> None:
    snapshot = snapshot_of("numpy-doubled")
    packages = snapshot.find(Packages)
    assert packages is not None
    moved = tuple(
        msgspec.structs.replace(b, location="/home/ada/.local/lib/python3.12/site-packages")
        for b in packages.broken
    )
    snapshot = snapshot.having(msgspec.structs.replace(packages, broken=moved))
    (one,) = (
        d
        for d in drafted(diagnose(snapshot, CHECKS).causes, snapshot, FIXES)
        if d.id == "broken-install"
    )
    assert not one.changes


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
    snapshot = snapshot_of("driver-secure-boot")
    (first, *_) = drafted(diagnose(snapshot, CHECKS).causes, snapshot, (one, *FIXES))
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
    fixes = [one for one in FIXES if one.id == "tell-new"]
    target = Target(asked="/home/ada/new env", chosen_by="--target", problem=problem)
    snapshot = Snapshot({Target: target, Interpreter: Unknown(why=problem)})
    (one,) = drafted(diagnose(snapshot, CHECKS).causes, snapshot, fixes)
    told = [s.command for s in one.draft.steps if isinstance(s, Tell)]
    assert told[1:] == [f"doctor fix --new {place}"]
