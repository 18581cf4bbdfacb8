"""The gate: a policy, what counts for the verdict, profiles, a limit of time."""

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from museum import altered, snapshot_of
from rows import plant
from typed import doctor, inside

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.redaction import Identity, snapshot_json
from tunedoctor.facts import Unknown
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.policy import rows

NOBODY = Identity("", "", "")
MEETS: dict[str, Any] = {
    "python": ">=3.11,<3.13",
    "torch": ">=2.5",
    "driver": ">=550",
    "gpus": 2,
    "gpu-memory": "20 GiB",
    "compute-capability": ">=8.0",
    "ram": "16 GiB",
    "shm": "1 GiB",
    "mig": False,
    "ecc": False,
    "smoke-speed": 1000,
    "disk": {"work": "1 GiB", "hf-cache": "1 GiB"},
    "packages": {"transformers": ">=4.40", "peft": ">0"},
    "variables": {"CUDA_HOME": True, "CUDA_LAUNCH_BLOCKING": False, "HF_HUB_OFFLINE": "1"},
}
"""Of the machine below."""
BROKEN: dict[str, tuple[Any, type[kinds.Fact]]] = {
    "python": (">=3.13", kinds.Interpreter),
    "torch": ("<2", kinds.Packages),
    "driver": (">=999", kinds.NvidiaDriver),
    "gpus": (8, kinds.NvidiaGpus),
    "gpu-memory": ("80 GB", kinds.NvidiaGpus),
    "compute-capability": (">=9.0", kinds.NvidiaGpus),
    "gfx": ("gfx942", kinds.AmdGpus),
    "ram": ("4 TiB", kinds.Memory),
    "shm": ("1 TiB", kinds.SharedMemory),
    "mig": (True, kinds.NvidiaGpus),
    "ecc": (True, kinds.NvidiaGpus),
    "smoke-speed": (1e6, kinds.Smoke),
    "disk-tmp": ("900 TiB", kinds.Disks),
    "transformers": ("<4", kinds.Packages),
    "flash-attn": (">=2", kinds.Packages),
    "variable-cuda-home": (False, kinds.Environment),
    "variable-nccl-debug": (True, kinds.Environment),
    "variable-hf-hub-offline": ("0", kinds.Environment),
}
"""What the machine does not meet, and the fact without which that could not be told."""


def machine() -> Snapshot:
    """Return one of which everything is told."""
    good = snapshot_of("healthy-rtx4090")
    cards = good.find(kinds.NvidiaGpus)
    assert cards
    good = good.having(
        replace(cards, gpus=tuple(replace(one, mig=False, ecc=False) for one in cards.gpus)),
        kinds.Smoke(stages=(), tokens_per_second=20_000.0),
        kinds.SharedMemory(total=16 << 30, free=16 << 30),
    )
    more = {"CUDA_HOME": "/usr/local/cuda", "HF_HUB_OFFLINE": "1"}
    return altered(good, kinds.Environment, variables=lambda had: {**had, **more})


def policy_of(entries: dict[str, Any]) -> str:
    """Return a doctor.toml; JSON of such values is TOML, but for tables."""
    lines = ["[policy]"]
    for key, value in entries.items():
        inner = (
            [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()]
            if isinstance(value, dict)
            else []
        )
        lines.append(f"{key} = {{{', '.join(inner)}}}" if inner else f"{key} = {json.dumps(value)}")
    return "\n".join([*lines, ""])


def broken(id_: str) -> dict[str, Any]:
    """Return the entry of one violation."""
    value, _ = BROKEN[id_]
    if id_.startswith("variable-"):
        return {"variables": {id_.removeprefix("variable-").replace("-", "_").upper(): value}}
    if id_.startswith("disk-"):
        return {"disk": {id_.removeprefix("disk-"): value}}
    return {id_: value} if id_ in rows() else {"packages": {id_: value}}


def checked(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    entries: dict[str, Any],
    one: Snapshot,
    *words: str,
) -> tuple[int, dict[str, Any]]:
    """Hold a machine against a policy; returns the exit code and the report."""
    plant(folder, {"doctor.toml": policy_of(entries)})
    (folder / "here.json").write_bytes(snapshot_json(one, NOBODY))
    ended = inside(capsys, "check", "--from", "here.json", "--format", "json", *words, cwd=folder)
    return ended.returncode, json.loads(ended.stdout)


def test_a_policy_that_the_machine_meets_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = checked(capsys, tmp_path, MEETS, machine())
    assert (code, report["verdict"], report["policy"]) == (0, "ready", "doctor.toml")
    assert len([one for one in report["passed"] if one.startswith("policy-")]) == 18
    assert {*rows()} - {*MEETS} == {"gfx"}  # of AMD's cards, which it has not


@pytest.mark.parametrize("id_", BROKEN)
def test_each_violation_fails_and_names_itself(
    id_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = checked(capsys, tmp_path, broken(id_), machine())
    assert code == 1
    errors = [one for one in report["findings"] if one["severity"] == "error"]
    assert [one["id"] for one in errors] == [f"policy-{id_}"]
    assert "the policy asks for" in errors[0]["found"]
    assert errors[0]["cure"]["command"]


@pytest.mark.parametrize("id_", BROKEN)
def test_what_could_not_be_told_is_no_pass(
    id_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, kind = BROKEN[id_]
    silent = machine().having(**{kind.__name__: Unknown(why="nobody answers")})
    only = ("--only", f"policy-{id_}")
    code, report = checked(capsys, tmp_path, broken(id_), silent, "--strict", *only)
    assert (code, report["verdict"]) == (2, "unknown")
    assert f"policy-{id_}" in report["unknown"]
    plant(tmp_path, {"doctor.toml": f'unknown = "pass"\n{policy_of(broken(id_))}'})
    words = ("check", "--from", "here.json", *only)
    assert inside(capsys, *words, cwd=tmp_path).returncode == 0
    assert inside(capsys, *words, "--strict", cwd=tmp_path).returncode == 2


def test_a_policy_of_a_good_machine_is_met_by_it_and_by_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("healthy-rtx4090", "healthy-h100-nvswitch", "healthy-rx7900xtx"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "good.json").write_bytes(snapshot_json(snapshot_of(name), NOBODY))
        assert not inside(capsys, "policy", "init", "--from", "good.json", cwd=folder).returncode
        assert inside(capsys, "check", "--from", "good.json", cwd=folder).returncode == 0
        other = snapshot_of("healthy-cpu-server")
        (folder / "other.json").write_bytes(snapshot_json(other, NOBODY))
        ended = inside(capsys, "check", "--from", "other.json", "--format", "json", cwd=folder)
        ids = {one["id"] for one in json.loads(ended.stdout)["findings"]}
        assert any(one.startswith("policy-") for one in ids), (name, ids)
        again = inside(capsys, "policy", "init", "--from", "good.json", cwd=folder)
        assert (again.returncode, "--force" in again.stderr) == (2, True)


WRONG = {
    "fail-one = 'error'": ("line 1", "fail-one", "is it fail-on?"),
    "[policy]\ndrivr = '>=550'": ("line 2", "drivr", "is it driver?"),
    "[policy]\ntransformers = '>=4'": ("transformers", "policy.packages"),
    "[policy]\nram = 'lots'": ("line 2", "policy.ram", "80 GiB"),
    "[policy]\nram = 16": ("policy.ram", "80 GiB"),
    "[policy]\ngpus = true": ("policy.gpus",),
    "[policy]\ndriver = 'newest'": ("policy.driver", "specifier"),
    "[policy]\nmig = 'off'": ("policy.mig", "true or false"),
    "[policy]\ndisk = {home = '1 GiB'}": ("'home'", "hf-cache"),
    "[policy]\ntorch = '>2'\npackages = {torch = '>2'}": ("policy-torch is said twice",),
    "[policy]\npackages = 'torch'": ("policy.packages is no table",),
    "unknown = 'maybe'": ("line 1", "unknown"),
    "skip = 'no-gpu'": ("line 1", "skip"),
    "fail-on = 'warning": ("doctor.toml",),
    "[[ignore]]\nid = 'no-gpu'\nreason = 'x'": ("ignore", "until"),
    "[[ignore]]\nid = 'no-gpv'\nreason = 'x'\nuntil = 2099-01-01": ("no-gpv", "is it no-gpu?"),
    "ignore = 3": ("line 1", "ignore"),
    "[[ignore]]\nid = 'no-gpu'\nreason = 'x'\nuntil = 2099-01-01\nunitl = 1": ("ignore", "unitl"),
    "fail-on = 'error'\nfail_on = 'never'": ("fail-on is said twice",),
    "[policy.packages]\n__class__ = '>1'": ("line 2", "'__class__'"),
    "[policy]\ndriver = 's3cret'": ("line 2", "policy.driver", "570"),
    "mirrors = {default = 'htp://me:s3cret@host/'}": ("line 1", "mirrors.default"),
    "[policy": ("doctor.toml",),
    "\udcff": ("doctor.toml", "UTF-8"),
}


@pytest.mark.parametrize("file", ["doctor.toml", "pyproject.toml", "own.toml"])
@pytest.mark.parametrize("text", WRONG)
def test_settings_that_are_wrong_are_an_error_with_file_line_and_way_out(
    text: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = text
    if file == "pyproject.toml":
        # a key of the top belongs to the table, and so do its tables
        whole = (
            f"[tool.doctor]\n{text}"
            if not text.startswith("[")
            else text.replace("[policy", "[tool.doctor.policy")
        )
        whole = whole.replace("[[ignore", "[[tool.doctor.ignore")
    (tmp_path / file).write_bytes(whole.encode(errors="surrogateescape"))
    words = ("--config", file) if file == "own.toml" else ()
    ended = inside(capsys, "check", *words, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    assert "s3cret" not in ended.stderr
    for said in WRONG[text]:
        line = said.replace("line 1", "line 2") if whole.startswith("[tool.doctor]\n") else said
        assert line.replace("doctor.toml", file) in ended.stderr


def test_a_policy_beside_other_settings_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path, {"doctor.toml": '[tool.doctor]\nskip = []\n[policy]\nram = "1 TiB"\n'})
    ended = inside(capsys, "check", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "doctor.toml, line 3: 'policy' stands beside" in ended.stderr


def test_no_like_key_of_another_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = "[tool.other.policy]\nskip = 1\ndriver = 2\n[tool.doctor]\nskip = 3\n"
    for text, line in ((other, 5), (other.replace("= 3", "= []\npolicy.driver = 4"), 6)):
        plant(tmp_path, {"pyproject.toml": text})
        ended = inside(capsys, "check", cwd=tmp_path)
        assert f"pyproject.toml, line {line}: " in ended.stderr


def test_a_broken_pyproject_is_an_error_and_one_without_settings_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path, {"pyproject.toml": "[project\nname = 'x'\n"})
    ended = inside(capsys, "check", cwd=tmp_path)
    assert (ended.returncode, "pyproject.toml" in ended.stderr) == (2, True)
    plant(tmp_path, {"pyproject.toml": "[project]\nname = 'x'\n"})
    assert not inside(capsys, "check", cwd=tmp_path).stderr
    ended = inside(capsys, "check", "--config", "none.toml", cwd=tmp_path)
    assert (ended.returncode, "none.toml" in ended.stderr) == (2, True)


def test_an_ignored_finding_counts_again_when_its_last_day_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sick.json").write_bytes(
        snapshot_json(snapshot_of("driver-550-with-cu130"), NOBODY)
    )
    today = datetime.now(UTC).date()
    for until, code in ((today, 0), (today - timedelta(days=1), 1)):
        entry = f'[[ignore]]\nid = "driver-too-old"\nreason = "new driver comes"\nuntil = {until}\n'
        plant(tmp_path, {"doctor.toml": entry})
        ended = inside(capsys, "check", "--from", "sick.json", cwd=tmp_path)
        assert ended.returncode == code
        assert ("new driver comes" in ended.stdout) == (code == 0)
        assert ("not ignored any more" in ended.stderr) == (code == 1)


def test_only_what_is_not_in_the_baseline_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sick = snapshot_of("driver-550-with-cu130")
    newer = altered(sick, kinds.NvidiaDriver, version="551.23.01")  # numbers of a finding change
    worse = newer.having(kinds.SharedMemory(total=1 << 20, free=1 << 20))
    for name, one in {"a": sick, "b": newer, "c": worse}.items():
        (tmp_path / f"{name}.json").write_bytes(snapshot_json(one, NOBODY))

    def judge(name: str, *words: str) -> int:
        return inside(
            capsys,
            "check",
            "--from",
            f"{name}.json",
            "--baseline",
            "base.json",
            *words,
            cwd=tmp_path,
        ).returncode

    assert judge("a") == 2  # there is none
    assert judge("a", "--write-baseline") == 1
    assert [judge(name) for name in "ab"] == [0, 0]
    plant(tmp_path, {"doctor.toml": '[policy]\nshm = "1 GiB"\n'})
    assert judge("c") == 1
    plant(tmp_path, {"base.json": '{"mine": 1}'})
    assert judge("a") == judge("a", "--write-baseline") == 2
    assert (tmp_path / "base.json").read_text() == '{"mine": 1}'


PROFILES = {"project": 2, "node": 0, "runner": 1, "image": 2}
"""What a machine without a GPU and without an environment is."""


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="it is told of a machine without a GPU")
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_asks_of_a_machine_what_it_is_for(profile: str, tmp_path: Path) -> None:
    ended = doctor("check", "--profile", profile, "--format", "json", cwd=tmp_path)
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["profile"]) == (PROFILES[profile], profile)
    if profile == "node":
        ended = doctor("check", "--profile", profile, "--deep", cwd=tmp_path)
        assert (ended.returncode, "--profile node" in ended.stderr) == (2, True)


def test_an_image_is_told_what_its_wheel_will_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No GPU at build time is no fault; a driver that is too old there is none of the image's."""
    (tmp_path / "image.json").write_bytes(
        snapshot_json(snapshot_of("driver-550-with-cu130"), NOBODY)
    )
    plant(tmp_path, {"doctor.toml": '[policy]\ndriver = ">=570"\npython = ">=3.11"\ngpus = 8\n'})
    words = ("check", "--from", "image.json", "--profile", "image")
    ended = inside(capsys, *words, "--format", "json", cwd=tmp_path)
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["needs"]["NVIDIA driver"]) == (0, ">=580")
    assert "policy-python" in report["passed"]
    # what the policy asks of machines waits for the one that runs it
    waits = {id_: says for id_, says in report["needs"].items() if id_.startswith("policy-")}
    assert waits == {"policy-driver": ">=570", "policy-gpus": ">=8"}
    assert "needs  torch" in inside(capsys, *words, cwd=tmp_path).stdout


HANGS = "#!/bin/sh\nexec sleep 600\n"


@pytest.mark.skipif(os.name == "nt", reason="a script of a shell stands for nvidia-smi")
def test_a_driver_that_hangs_ends_as_unknown(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(HANGS)
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    began = time.monotonic()
    words = ("check", "--profile", "node", "--timeout", "1.5", "--format", "json")
    ended = doctor(*words, cwd=tmp_path, PATH=path)
    assert time.monotonic() - began < 6
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["verdict"]) == (2, "unknown")
    assert any("--timeout" in why for why in report["unknown"].values())
    assert report["machine"]["system"]  # what answered in time is told


def test_whatever_hangs_the_whole_ends(tmp_path: Path) -> None:
    """A target on a file system that hangs is looked for before any probe runs."""
    code = (
        "import sys, time, tunedoctor.probes.targeting as t\n"
        "t.choose = lambda *a, **k: time.sleep(600)\n"
        "sys.argv = ['doctor', 'check', '--timeout', '0.5', '--output', 'json=report.json']\n"
        "from tunedoctor.__main__ import main; main()"
    )
    import subprocess

    began = time.monotonic()
    env = {**os.environ, "SLURMD_NODENAME": "n17"}
    argv = [sys.executable, "-c", code]
    ended = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert time.monotonic() - began < 10
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["host"], report["node"]) == (platform.node(), "n17")
    assert (ended.returncode, "--timeout" in ended.stdout) == (2, True), ended.stderr


EVERY = (
    *("json", "jsonl", "sarif", "junit", "github", "gitlab", "prometheus", "line", "nagios"),
    *("md", "html"),
)


OTHERS = {
    "json": '{\n  "name": "x"',
    "jsonl": '{"name":1}',
    "sarif": '{\n  "$schema": "https://json.',
    "junit": "<?xml version='1.0'?>\n<project/>",
    "gitlab": '[\n  {\n    "name": 1',
    "md": "# I\n",
    "prometheus": "# HELP node_load1 .\n",
    "html": "<!doctype html><html><body>",
}
"""Files of somebody else's that begin much alike."""


def test_all_formats_come_of_one_look_and_may_be_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of somebody else is never written over, and that is told before any work."""
    (tmp_path / "sick.json").write_bytes(
        snapshot_json(snapshot_of("driver-550-with-cu130"), NOBODY)
    )
    words = [word for name in EVERY for word in ("--output", f"{name}=out.{name}")]
    for _ in range(2):
        ended = inside(capsys, "check", "--from", "sick.json", *words, cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (1, "")
        assert "driver-too-old" in ended.stdout
        for name in EVERY:
            assert "driver-too-old" in (tmp_path / f"out.{name}").read_text("utf-8")
    code = inside(capsys, "check", "--from", "sick.json", "--format", "nagios", cwd=tmp_path)
    assert code.returncode == 2
    for name, text in (dict.fromkeys(EVERY, "precious\n") | OTHERS).items():
        plant(tmp_path, {"mine.txt": text})
        ended = inside(capsys, "check", "--output", f"{name}=mine.txt", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "mine.txt" in ended.stderr
        assert (tmp_path / "mine.txt").read_text() == text


@pytest.mark.parametrize("way", ["full", "crash"])
@pytest.mark.parametrize(("name", "code"), [("driver-550-with-cu130", 1), ("healthy-rtx4090", 0)])
def test_what_befalls_one_format_hides_neither_verdict_nor_the_others(
    way: str, name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where all was well, what was asked for is not there: 2."""
    (tmp_path / "one.json").write_bytes(snapshot_json(snapshot_of(name), NOBODY))
    bad = "sarif=/dev/full" if way == "full" else "sarif=bad.sarif"
    words = ("check", "--from", "one.json", "--output", bad, "--output", "junit=good.xml")
    with pytest.MonkeyPatch.context() as patch:
        if way == "crash":
            patch.setattr("tunedoctor.render.formats.sarif.render", lambda _: 1 / 0)
        ended = inside(capsys, *words, cwd=tmp_path)
    assert ended.returncode == (code or 2)
    assert "sarif" in ended.stderr
    assert ("driver-too-old" if code else "Ready") in ended.stdout
    assert (tmp_path / "good.xml").read_text().startswith("<?xml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tunedoctor.render.formats.sarif.render", lambda _: 1 / 0)
        ended = inside(capsys, *words[:3], "--format", "sarif", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (code or 2, "")
    assert ("driver-too-old" if code else "ready") in ended.stderr


def test_github_actions_get_annotations_and_a_summary_by_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sick.json").write_bytes(
        snapshot_json(snapshot_of("driver-550-with-cu130"), NOBODY)
    )
    summary = tmp_path / "summary.md"
    there = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    words = ("check", "--from", "sick.json")
    ended = inside(capsys, *words, cwd=tmp_path, **there)
    assert "\n::error title=driver-too-old" in ended.stdout
    assert "Next:" in ended.stdout
    assert "driver-too-old" in summary.read_text()
    ended = inside(capsys, *words, "--format", "json", cwd=tmp_path, **there)
    assert json.loads(ended.stdout)["verdict"] == "findings"


HERE = ("check", "--from", "here.json")
GIVEN: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "no check is left": (
        "",
        (*HERE, "--only", "no-gpu", "--skip", "no-gpu"),
        2,
        "no check is left",
    ),
    "a policy that the profile has none of": (
        "[policy]\ntorch = '>1'",
        (*HERE, "--profile", "node", "--only", "policy-torch"),
        2,
        "--profile node",
    ),
    "of a node's snapshot no environment": (
        "",
        ("check", "--from", "sick.json", "--profile", "node"),
        0,
        "need an env",
    ),
    "a variable that no snapshot holds": (
        "[policy]\nvariables = {FOO = false}",
        HERE,
        2,
        "does not hold FOO",
    ),
    "the value of a secret": (
        "[policy]\nvariables = {HF_TOKEN = 'x'}",
        ("check", "--from", "token.json"),
        2,
        "nobody looks at the value",
    ),
    "a driver without GPUs": (
        "[policy]\ncompute-capability = '>8'",
        ("check", "--from", "bare.json"),
        1,
        "no NVIDIA GPU",
    ),
    "nor their mode": (
        "[policy]\nmig = false",
        ("check", "--from", "bare.json"),
        1,
        "no NVIDIA GPU",
    ),
    "GPUs that a silent driver can have": (
        "[policy]\ngpus = '<=8'",
        ("check", "--from", "silent.json"),
        2,
        "nobody answers",
    ),
    "a part of a processor": (
        "[policy]\ngpu-memory = '10 GiB'",
        ("check", "--from", "igpu.json"),
        0,
        "Ready",
    ),
    "a report and the folder's policy": (
        "[policy]\ndriver = '>999'\n[[ignore]]\nid = 'policy-driver'\nreason = 'x'\nuntil = 2099-01-01",
        ("triage", "log.txt"),
        2,
        "Could not tell",
    ),
    "settings that are not there": (
        "",
        ("check", "--config", "pyproject.toml"),
        2,
        "no [tool.doctor]",
    ),
    "beside other tools": ("[tool.ruff]\n[policy]\ndriver = '>999'", HERE, 2, "'tool'"),
    "a folder": ("", (*HERE, "--output", "md=."), 2, "a folder"),
    "one file by two names": (
        "",
        (*HERE, "--output", "md=o", "--output", "line=./o"),
        2,
        "two outputs",
    ),
    "the baseline": (
        "",
        (*HERE, "--baseline", "o", "--write-baseline", "--output", "json=o"),
        2,
        "two outputs",
    ),
    "a baseline that is a pit": ("", (*HERE, "--baseline", "deep.json"), 2, "deep.json"),
    "stdout": ("", (*HERE, "--output", "line=-"), 0, "\ndoctor: ready\n"),
    "misuse under nagios": (
        "",
        ("check", "--format", "nagios", "--bogus"),
        3,
        "DOCTOR UNKNOWN - there is no",
    ),
    "nagios and a lost file": (
        "",
        (*HERE, "--format", "nagios", "--output", "line=/dev/full"),
        3,
        "DOCTOR OK",
    ),
}
"""What the settings say, words, exit code, what is told."""


@pytest.mark.parametrize("name", GIVEN)
def test_what_was_not_looked_at_is_no_pass_and_nothing_is_lost(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, words, code, said = GIVEN[name]
    bare = altered(machine(), kinds.NvidiaGpus, gpus=lambda _: ())
    made = {
        "here": machine(),
        "sick": snapshot_of("driver-550-with-cu130"),
        "bare": bare,
        "silent": machine().having(NvidiaGpus=Unknown(why="nobody answers")),
        "igpu": snapshot_of("rocm-igpu-beside-card"),
        "token": machine().having(kinds.Environment(variables={"HF_TOKEN": "set"})),
    }
    for file, one in made.items():
        (tmp_path / f"{file}.json").write_bytes(snapshot_json(one, NOBODY))
    deep = f'{{"schema": "doctor.baseline/1", "x": {"[" * 99_999}{"]" * 99_999}}}'
    plant(tmp_path, {"deep.json": deep, "log.txt": "RuntimeError: x\n", "pyproject.toml": "[x]\n"})
    if settings:
        plant(tmp_path, {"doctor.toml": settings})
    ended = inside(capsys, *words, cwd=tmp_path)
    told = ended.stdout + ended.stderr
    assert ended.returncode == code, told
    assert said in " ".join(told.split(" ")), told
    assert "Traceback" not in told


def test_a_policy_of_anybody_s_snapshot_is_a_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is written of it holds no lines of its own, and the machine meets it."""
    evil = '9"\n[mirrors]\ndefault = "http://evil/'
    hostile = altered(
        snapshot_of("rocm-igpu-beside-card"),
        kinds.Packages,
        distributions=lambda all_: tuple(replace(one, version=evil) for one in all_),
    ).having(kinds.NvidiaDriver(version="N/A"))
    (tmp_path / "it.json").write_bytes(snapshot_json(hostile, NOBODY))
    assert not inside(capsys, "policy", "init", "--from", "it.json", cwd=tmp_path).returncode
    assert "evil" not in (tmp_path / "doctor.toml").read_text()
    ended = inside(capsys, "check", "--from", "it.json", "--format", "json", cwd=tmp_path)
    told = json.loads(ended.stdout)
    assert "policy-gpus" in told["passed"]
    assert not [one for one in told["findings"] if one["id"].startswith("policy-")]


@pytest.mark.skipif(os.name == "nt", reason="streams and folders are a shell's")
def test_outputs_outlive_a_reader_a_folder_and_hang_no_longer_than_the_limit(
    tmp_path: Path,
) -> None:
    import subprocess

    def shell(line: str) -> "subprocess.CompletedProcess[str]":
        whole = line.replace("doctor", f"{sys.executable} -m tunedoctor check --profile node")
        words = ["bash", "-c", whole]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert shell("doctor --output json=one.json | true; exit ${PIPESTATUS[0]}").returncode == 141
    assert json.loads((tmp_path / "one.json").read_text())["verdict"]
    assert shell("doctor --output line=/dev/stdout > two").returncode == 0
    assert (tmp_path / "two").read_text().endswith("\ndoctor: ready\n")
    gone = shell("mkdir gone; cd gone; rmdir ../gone; doctor --format sarif")
    assert json.loads(gone.stdout)["runs"]
    began = time.monotonic()
    hung = shell("mkfifo pipe; doctor -q --timeout 0.5 --output sarif=pipe")
    assert time.monotonic() - began < 8
    assert (hung.returncode, "Nothing stands in the way" in hung.stdout) == (2, True)
    assert "could not be written in time" in hung.stderr
