"""What other programs import: the names that docs/library.md has, and the results of the commands."""

import ast
import inspect
import json
import os
import re
import sys
import textwrap
import tomllib
import venv
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from libraries import running
from libraries.running import HELD, version
from planting import plant
from test_house import HEAVY
from torch_target import WHY_NOT, torch_target
from typed import Ran, ran
from typed import inside as doctor
from wrong_inputs import TINY

import tunedoctor
from tunedoctor import DoctorError, FixEvents, Interaction

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
TEXT = "Nvidia driver version: 550.144.03\nPyTorch version: 2.9.1+cu130\nIs CUDA available: False\n"


def told(answer: Any) -> Any:
    """An answer without what no two looks share."""
    plain = json.loads(msgspec.json.encode(answer))
    return {key: one for key, one in plain.items() if key not in ("seconds", "taken")}


def host(code: str, *argv: str, cwd: Path) -> Ran:
    return ran(sys.executable, "-c", textwrap.dedent(code), *argv, cwd=cwd)


def test_the_names_are_those_of_the_page():
    rows = re.findall(r"^\| `(\w+)(\(.*?\) -> [^`]+)?` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(tunedoctor.__all__)
    for name, promised in rows:
        thing = getattr(tunedoctor, name)
        assert thing.__doc__
        assert inspect.isclass(thing) is not bool(promised), name
        if promised:
            whole = inspect.signature(thing)
            bare = [one.replace(annotation=one.empty) for one in whole.parameters.values()]
            bare = [one for one in bare if one.name not in ("interaction", "events")]
            kind = whole.return_annotation
            parts = {*get_args(kind)} - {...} or {kind}
            names = sorted(
                next((n for n, _ in rows if getattr(tunedoctor, n) is one), one.__name__)
                for one in parts
            )
            back = f"tuple[{names[0]}, ...]" if get_origin(kind) is tuple else " or ".join(names)
            assert (
                f"{whole.replace(parameters=bare, return_annotation=whole.empty)} -> {back}"
                == promised
            )


def test_an_answer_is_what_the_command_prints(tmp_path, monkeypatch):
    env, asked = sys.prefix, {"gpu": "RTX 4090", "method": "qlora", "stack": "trl"}
    described = {"platform": "linux", "driver": "580.65.06", "python": "3.12"}
    facts = tunedoctor.snapshot(env)
    (tmp_path / "s.json").write_text(facts)
    file = tmp_path / "trl.yaml"
    file.write_text("model_name_or_path: Qwen/Qwen3-4B\nlora_r: 8\nbf16: true\nfp16: true\n")
    monkeypatch.chdir(tmp_path)
    for answer, argv in [
        (tunedoctor.check(env, configuration=Path("trl.yaml")), ["check", "--target", env, "--for=trl.yaml"]),
        (tunedoctor.check(snapshot=facts, configuration="trl.yaml"), ["check", "--from=s.json", "--for=trl.yaml"]),
        (tunedoctor.check(configuration="trl.yaml", gpu="T4"), ["check", "--for=trl.yaml", "--gpu=T4"]),
        (tunedoctor.check(Path(env)), ["check", "--target", env]),
        (tunedoctor.check(snapshot=facts, strict=True), ["check", "--from=s.json", "--strict"]),
        (tunedoctor.triage(TEXT, skip=["torch-old"]), ["triage", "-", "--skip", "torch-old"]),
        (tunedoctor.fit("Qwen/Qwen3-8B", target=env, **asked), ["fit", "Qwen/Qwen3-8B", "--target", env, *(f"--{k}={v}" for k, v in asked.items())]),
        (tunedoctor.wheel(env, gpus=["none"]), ["wheel", "--target", env, "--gpu", "none"]),
        (tunedoctor.wheel(gpus=["8.9"], **described), ["wheel", "--gpu=8.9", *(f"--{k}={v}" for k, v in described.items())]),
    ]:  # fmt: skip
        ended = doctor(*argv, "--format", "json", stdin=TEXT, cwd=tmp_path, **os.environ)
        assert told(answer) == told(json.loads(ended.stdout)), argv
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f"target = {env!r}\n[policy]\npython = '<3.9'\nvariables = {{ NOT_SET = 'x' }}\n"
    )
    ended = doctor("check", "--config=policy.toml", "--format=json", cwd=tmp_path, **os.environ)
    report = tunedoctor.check(config=policy)
    assert {"policy-python", "policy-variable-not-set"} <= {one.id for one in report.findings}
    assert told(report) | {"policy": ""} == told(json.loads(ended.stdout)) | {"policy": ""}
    assert tunedoctor.check(profile="node").target.python == ""
    # settings of the folder are the command's alone
    (tmp_path / "pyproject.toml").write_text("[tool.doctor]\nskip = ['torch-missing']\n")
    monkeypatch.chdir(tmp_path)
    assert "torch-missing" in [one.id for one in tunedoctor.check(env).findings]
    assert "torch-missing" not in doctor("check", "--target", env, cwd=tmp_path).stdout


def test_a_framework_configuration_is_checked(tmp_path):
    file = tmp_path / "trl.yaml"
    file.write_text("model_name_or_path: Qwen/Qwen3-4B\nlora_r: 8\nbf16: true\nfp16: true\n")
    report = tunedoctor.check(configuration=file, gpu="T4")
    lines = {one.id: one.declared.line for one in report.findings if one.declared}
    assert lines == {
        "config-two-precisions": 4,
        "config-adapter-unused": 2,
        "config-bf16": 3,
    }
    with pytest.raises(tunedoctor.DoctorError, match="add configuration"):
        tunedoctor.check(gpu="T4")
    with pytest.raises(tunedoctor.DoctorError, match="leave out target"):
        tunedoctor.check(sys.prefix, configuration=file, gpu="T4")
    file.write_text("colour: red\n")
    with pytest.raises(tunedoctor.DoctorError, match="none of axolotl"):
        tunedoctor.check(configuration=file)


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        (
            "check",
            {"only": ["torch-cpu-onyl"]},
            "no check is called 'torch-cpu-onyl' (is it torch-cpu-only?); ",
        ),
        ("check", {"only": ["--help"]}, "no check is called '--help'; "),
        ("check", {"fail_on": "all"}, "fail_on is 'all'; choose one of error"),
        ("check", {"snapshot": "{"}, "it is not JSON"),
        ("check", {"snapshot": "{}", "deep": True}, "--from judges a snapshot; leave out"),
        ("check", {"plugins": ["nobodys"]}, "there is no plug-in 'nobodys'"),
        ("fit", {"model": ""}, "the model is empty"),
        ("fit", {"model": "--help"}, "model is '--help', which begins with a dash; "),
        ("fit", {"model": "-"}, "begins with a dash"),
        ("fit", {"model": "no/model"}, "the catalogue has no model 'no/model'; "),
        ("fit", {"model": "7B", "rank": -1}, "rank is -1; expected `int` >= 1"),
        ("fit", {"model": "7B", "vram": 24, "gpu": "RTX 4090"}, "both choose a GPU; "),
        ("check", {"target": 5}, "target is of type int; it takes str or PathLike"),
        ("check", {"only": [5]}, "only is of type list; it takes a list of str"),
        ("check", {"snapshot": "\ud800"}, "it is not JSON"),
        ("triage", {"text": 5}, "text is of type int; it takes str"),
        ("fit", {"model": "7B", "rank": True}, "rank is of type bool; it takes int"),
        ("snapshot", {"target": {}}, "target is of type dict; "),
        ("wheel", {"torch": 2.9}, "torch is of type float; it takes str"),
        ("wheel", {"platform": "beos"}, "--platform is 'beos'; expected one of linux"),
    ],
)
def test_bad_input_is_an_error_that_says_the_way_out(name, said, words) :  # fmt: skip
    with pytest.raises(DoctorError) as error:
        getattr(tunedoctor, name)(**said)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_it_is_quiet_in_threads_and_leaves_the_process_as_it_was(tmp_path):
    code = """
        import os, subprocess, sys, threading, time
        before = {*sys.modules}
        import tunedoctor
        assert {*sys.modules} - before == {"tunedoctor"}, {*sys.modules} - before
        assert {"check", "FitReport"} <= {*dir(tunedoctor)} and not hasattr(tunedoctor, "smoke_")
        from tunedoctor import DoctorError, check, fit, triage
        from tunedoctor.system import child
        child._Idleness.seconds = lambda self: 0.0  # a busy machine's silent children bring psutil
        answers, state = [], (os.getcwd(), dict(os.environ), threading.active_count(), sys.stdout)
        def work():
            try:
                fit("no/model")
            except DoctorError:
                answers.append([f.id for f in (*check(sys.argv[3]).findings, *triage(sys.argv[1]).findings)])
        work()
        several = [threading.Thread(target=work) for _ in range(4)]
        [one.start() for one in several], [one.join() for one in several]
        assert len(answers) == 5 and all(one == answers[0] and one for one in answers), answers
        assert state[:2] == (os.getcwd(), dict(os.environ)) and state[3] is sys.stdout
        heavy = {*sys.argv[2].split()} & {*sys.modules}
        one = threading.Thread(target=lambda: child.run(["sleep", "0.6"], timeout=9))
        one.start(), time.sleep(0.2)  # what the program starts meanwhile is no stray of that child
        own = subprocess.Popen(["sleep", "60"], start_new_session=True, env={})
        one.join(), time.sleep(0.2)
        assert own.poll() is None
        own.kill()
        os._exit(len(heavy) and (os.write(2, repr(heavy).encode()) and 1))
    """
    # in no project: a project's files are read with tomllib
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    ended = host(code, TEXT, " ".join(HEAVY), str(tmp_path / "env"), cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


USER = """\
from pathlib import Path
from typing import Literal, assert_type

from tunedoctor import (
    DoctorError, Finding, FitReport, FixPlan, FixResult, PackageSet, Report, SmokeResult, UndoResult, WheelChoice,
    check, diff, fit, fix, package_set, smoke_test, snapshot, triage, undo, wheel,
)

report: Report = check(Path("/opt/venv"), deep=False)
judged: Report = check(configuration=Path("qlora.yml"), gpu="T4")
assert_type(report.verdict, Literal["ready", "findings", "unknown"])
first: Finding | None = next(iter(triage("text", only=["torch-old"]).findings), None)
answer: FitReport = fit("7B", vram=24, method="qlora")
assert_type(answer.need_gib, float)
build: WheelChoice = wheel(gpus=("8.9",))
assert_type(snapshot(), str)
error: Exception = DoctorError("x")
plan: FixPlan = fix("/opt/venv", ids=["torch-old"])
applied: FixResult = plan.apply()
assert_type(fix("/opt/venv", apply=True), FixResult)
assert_type(fix("/opt/venv").result.plan_id, str)
undone: UndoResult = undo("/opt/venv")
trained: SmokeResult = smoke_test("/opt/venv", gpus="all")
several: PackageSet = package_set(["trl"], "/opt/venv")
assert_type([one.findings for one in diff("a.json", "b.json")][0][0].id, str)
fix("/opt/venv", installer="conda")  # type: ignore[call-overload]
fit("7B", method="lor")  # type: ignore[arg-type]
check(only=5)  # type: ignore[arg-type]
from tunedoctor import smoke_  # type: ignore[attr-defined]
"""


def test_a_type_checker_sees_all_types(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    strict = ("mypy", "--strict", "--follow-imports=silent", "--cache-dir", os.devnull, "user.py")
    source = Path(tunedoctor.__file__).parents[1]
    # of a checkout that is not the installed one
    own = {"MYPYPATH": str(source)} if source.name == "src" else {}
    ended = ran(sys.executable, "-m", *strict, cwd=tmp_path, env={**os.environ, **own})
    assert ended.returncode == 0, ended.stdout + ended.stderr


class Recorder(FixEvents, Interaction):
    """A caller that agrees, and remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.plans: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def planned(self, fix: Any) -> None:
        self.plans.append(fix.result.plan_id)


@pytest.fixture
def broken(index, tmp_path, monkeypatch):
    """An environment whose huggingface-hub is too new for its transformers."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return running.made(tmp_path / "work", index.url, *HELD)


def test_a_fix_is_planned_then_applied_then_undone(broken, capfd):
    plan = tunedoctor.fix(broken)
    assert (plan.result.end, plan.result.outcome) == ("planned", None)
    assert plan.result.plan_id in repr(plan)
    assert version(broken, "huggingface_hub") == "1.5.0"
    seen = Recorder()
    applied = tunedoctor.fix(broken, apply=True, interaction=seen, events=seen)
    assert (applied.end, seen.plans) == ("applied", [plan.result.plan_id])
    assert any("starts" in text for text in seen.said)
    assert version(broken, "huggingface_hub") == "0.36.2"
    (state,) = tunedoctor.states(broken)
    assert tunedoctor.undo(broken, state.id).done
    assert version(broken, "huggingface_hub") == "1.5.0"
    assert not tunedoctor.undo(broken, "no-such-id").done
    assert capfd.readouterr() == ("", "")


def test_a_plan_is_applied_as_it_was_shown_or_refused(broken):
    plan = tunedoctor.fix(str(broken))
    assert plan.apply().end == "applied"
    assert version(broken, "huggingface_hub") == "0.36.2"
    assert plan.apply().end in ("nothing", "refused")
    assert tunedoctor.fix(broken).apply().end == "nothing"


def test_a_package_set_is_found_and_written(broken, tmp_path, capfd):
    file = tmp_path / "requirements.txt"
    found = tunedoctor.package_set((), broken, gpus=["none"], driver="none", freeze=file)
    assert (found.verdict, found.files) == ("set", (str(file),))
    assert "huggingface-hub==0.36.2" in file.read_text()
    with pytest.raises(DoctorError, match="already exists, and doctor did not write it"):
        tunedoctor.package_set((), broken, pyproject=PAGE)
    assert capfd.readouterr() == ("", "")


def test_environments_are_listed_and_can_be_checked(tmp_path, monkeypatch, capfd):
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    first = tunedoctor.environments()[0]
    assert Path(first.path).expanduser() == tmp_path / ".venv"
    assert (first.kind, first.active, first.torch) == ("venv", False, "")
    assert first.bytes
    assert tunedoctor.environments(quick=True)[0].bytes is None
    assert tunedoctor.check(first.path).target.python
    assert capfd.readouterr() == ("", "")


def test_a_finding_a_page_and_an_error_text_are_explained(capfd):
    (page,) = tunedoctor.explain("torch-cpu-only").pages
    assert (page.id, page.severity) == ("torch-cpu-only", "error")
    assert page.source == "checks/torch_build.py"
    assert "How to fix it" in page.text
    assert tunedoctor.explain("fit").document.startswith("# ")
    shown = tunedoctor.explain(text=TEXT)
    assert shown.found
    assert shown.pages[0].id == "driver-too-old"
    unclear = tunedoctor.explain("RuntimeError: CUDA error: unknown error")
    assert (unclear.document, unclear.pages) == ("", ())
    assert unclear.suspects[0].settle
    with pytest.raises(DoctorError, match="no check is called 'torch-cpu-onl'"):
        tunedoctor.explain("torch-cpu-onl")
    with pytest.raises(DoctorError, match="give one of them"):
        tunedoctor.explain("fit", text=TEXT)
    assert capfd.readouterr() == ("", "")


def test_two_machines_are_compared(tmp_path, capfd):
    facts = tunedoctor.snapshot(sys.prefix)
    (tmp_path / "one.json").write_text(facts)
    (tmp_path / "two.json").write_text(facts.replace('"version": "3.', '"version": "2.'))
    (found,) = tunedoctor.diff(tmp_path / "one.json", tmp_path / "two.json")
    assert found.a
    assert found.b
    assert found.facts
    with pytest.raises(DoctorError, match="would be compared with itself"):
        tunedoctor.diff("-", "-")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_a_smoke_test_returns_its_result(capfd):
    found = tunedoctor.smoke_test(torch_target(), device="cpu")
    assert found.verdict == "ready"
    with pytest.raises(DoctorError, match="--device is 'tpu'"):
        tunedoctor.smoke_test(torch_target(), device="tpu")
    assert capfd.readouterr() == ("", "")


def test_it_answers_in_a_notebook(tmp_path):
    """A running event loop, and streams without a file descriptor, as ipykernel has them."""
    code = """
        import asyncio, io, sys
        sys.stdin = sys.stdout = io.StringIO()
        async def cell():
            from tunedoctor import check, fit, wheel
            report = await asyncio.to_thread(check, sys.prefix)
            return check(sys.prefix).verdict, report.verdict, fit("7B", vram=24).verdict, wheel(gpus=["none"]).action
        answers = asyncio.run(cell())
        assert answers[0] == answers[1] and all(answers), answers
        assert sys.stdout.getvalue() == ""
    """
    ended = host(code, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_training_data_and_a_configuration(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = json.dumps({"prompt": "Who runs the lighthouse?", "completion": "Ada."})
    (tmp_path / "train.jsonl").write_text(f"{row}\n{row}\n{{\n")
    found = tunedoctor.check_data(["train.jsonl"], seq=1024)
    assert (found.verdict, found.rows, found.duplicates) == ("faults", 2, 1)
    with pytest.raises(DoctorError, match="batch is 0"):
        tunedoctor.check_data(["train.jsonl"], batch=0)
    (tmp_path / "good.jsonl").write_text(f"{row}\n" * 20)
    plant(
        tmp_path,
        {
            "model/config.json": json.dumps(TINY),
            "model/model.safetensors": "x",
            "model/tokenizer.json": "{}",
        },
    )
    made = tunedoctor.init("model", "good.jsonl", sys.prefix, hours=0.5)
    assert tomllib.loads(made.text)["model"] == "model"
    assert made.goal
    assert made.time
    with pytest.raises(DoctorError, match="--goal is 'sing'"):
        tunedoctor.init("7B", "good.jsonl", goal="sing")
    assert capfd.readouterr() == ("", "")


def test_a_run_is_explained(capfd):
    assert tunedoctor.run([sys.executable, "-c", "print(1)"]) == (0, None)
    failed = tunedoctor.run([sys.executable, "-c", "import no_such_library"], sys.prefix)
    assert failed.status == 1
    assert failed.report
    assert failed.report.target.python
    out, err = capfd.readouterr()
    assert out == "1\n"
    assert "ModuleNotFoundError" in err
    with pytest.raises(DoctorError, match="no command is given"):
        tunedoctor.run([])


def test_a_trained_model_is_asked_and_exported(tmp_path, capfd):
    plant(
        tmp_path,
        {
            "m/config.json": json.dumps(TINY),
            "m/model.safetensors": "x",
            "m/tokenizer.json": "{}",
        },
    )
    found = tunedoctor.export(tmp_path / "m")
    assert (found.status, found.files, found.adapter) == (0, (), "")
    assert [one.program for one in found.commands] == ["vLLM", "llama.cpp"]
    with pytest.raises(DoctorError, match="leave out --merged"):
        tunedoctor.export(tmp_path / "m", merged=tmp_path / "new")
    with pytest.raises(DoctorError, match="contains no adapter"):
        tunedoctor.chat("Hi", tmp_path / "m", compare=True)
    with pytest.raises(DoctorError, match="prompt is empty"):
        tunedoctor.chat("", tmp_path / "m")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_a_model_that_does_not_load_is_reported(tmp_path, capfd):
    plant(
        tmp_path,
        {
            "m/config.json": json.dumps(TINY),
            "m/model.safetensors": "x",
            "m/tokenizer.json": "{}",
        },
    )
    answered = tunedoctor.chat("Hi", tmp_path / "m", torch_target())
    assert (answered.status, answered.answer) == (2, "")
    assert "the tokenizer does not load" in answered.error
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_a_training_says_why_it_failed(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = json.dumps({"prompt": "Who runs the lighthouse?", "completion": "Ada."})
    plant(
        tmp_path,
        {
            "d.jsonl": f"{row}\n" * 20,
            "m/config.json": json.dumps(TINY),
            "m/model.safetensors": "x",
            "m/tokenizer.json": "{}",
        },
    )
    values = {"model": Path("m"), "data": "d.jsonl", "max_steps": 2}
    with pytest.raises(DoctorError, match="there is no configuration"):
        tunedoctor.train(None, torch_target())
    with pytest.raises(DoctorError, match="batch 16 is not a multiple of 3 processes"):
        tunedoctor.train(None, torch_target(), values=values, processes=3)
    with pytest.raises(DoctorError, match="rank is 'x'"):
        tunedoctor.train(None, torch_target(), values={**values, "rank": "x"})
    said: list[str] = []
    ended = tunedoctor.train(
        None, torch_target(), values=values, dry_run=True, check=False, output=said.append
    )
    assert (ended.end, ended.status, ended.model, ended.step) == ("failed", 2, "", 0)
    assert "model m does not load" in "".join(said)
    assert capfd.readouterr() == ("", "")


CORE = Path(tunedoctor.__file__).parent / "core"


@pytest.mark.parametrize("file", sorted(CORE.glob("*.py")), ids=lambda file: file.name)
def test_the_core_prints_nothing_and_ends_no_process(file):
    names = {
        ast.unparse(one.func)
        for one in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(one, ast.Call)
    }
    assert not names & {
        *("print", "input", "exit", "sys.exit", "os._exit", "SystemExit"),
        *("sys.stdout.write", "sys.stderr.write", "sys.stdin.readline"),
    }
