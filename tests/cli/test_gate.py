"""The gate: a policy, what counts for the verdict, profiles, a limit of time."""

import json
import os
import platform
import re
import sys
import time
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from museum import altered, keep, snapshot_of
from planting import plant
from typed import Inside, Ran, doctor, ran

from tunedoctor import facts as kinds
from tunedoctor.facts import Unknown
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables import config as policy

MEETS = Path(__file__).with_name("met.toml").read_text("utf-8")
"""Of the machine below."""
SICK = "driver-550-with-cu130"


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


@pytest.fixture
def checked(tmp_path: Path, inside: Inside) -> Any:
    """Hold a machine against a doctor.toml: the exit code and the report."""

    def check(text: str, one: Snapshot, *words: str) -> tuple[int, dict[str, Any]]:
        plant(tmp_path, {"doctor.toml": text})
        keep(tmp_path, here=one)
        ended = inside("check", "--from", "here.json", "--format", "json", *words)
        return ended.returncode, json.loads(ended.stdout)

    return check


def test_a_policy_that_the_machine_meets_passes(checked: Any) -> None:
    code, report = checked(MEETS, machine())
    assert (code, report["verdict"], report["policy"]) == (0, "ready", "doctor.toml")
    assert len([one for one in report["passed"] if one.startswith("policy-")]) == 18
    meets = tomllib.loads(MEETS)["policy"]
    assert {*policy.rows()} - {*meets} == {"gfx"}  # of AMD's cards, which it has not


@pytest.mark.parametrize(
    ("name", "policy", "fact"),
    [
        ("python", 'python = ">=3.13"', "Interpreter"),
        ("torch", 'torch = "<2"', "Packages"),
        ("driver", 'driver = ">=999"', "NvidiaDriver"),
        ("gpus", "gpus = 8", "NvidiaGpus"),
        ("gpu-memory", 'gpu-memory = "80 GB"', "NvidiaGpus"),
        ("compute-capability", 'compute-capability = ">=9.0"', "NvidiaGpus"),
        ("gfx", 'gfx = "gfx942"', "AmdGpus"),
        ("ram", 'ram = "4 TiB"', "Memory"),
        ("shm", 'shm = "1 TiB"', "SharedMemory"),
        ("mig", "mig = true", "NvidiaGpus"),
        ("ecc", "ecc = true", "NvidiaGpus"),
        ("smoke-speed", "smoke-speed = 1000000.0", "Smoke"),
        ("disk-tmp", 'disk = {"tmp" = "900 TiB"}', "Disks"),
        ("transformers", 'packages = {"transformers" = "<4"}', "Packages"),
        ("flash-attn", 'packages = {"flash-attn" = ">=2"}', "Packages"),
        ("variable-cuda-home", 'variables = {"CUDA_HOME" = false}', "Environment"),
        ("variable-nccl-debug", 'variables = {"NCCL_DEBUG" = true}', "Environment"),
        ("variable-hf-hub-offline", 'variables = {"HF_HUB_OFFLINE" = "0"}', "Environment"),
    ],
)
def test_a_violation_names_itself_and_what_could_not_be_told_is_no_pass(
    name, policy, fact, checked, inside
):
    """A policy that the machine does not meet, and the fact without which that is undecided."""
    id_, text = f"policy-{name}", f"[policy]\n{policy}\n"
    code, report = checked(text, machine())
    (error,) = (one for one in report["findings"] if one["severity"] == "error")
    assert (code, error["id"]) == (1, id_)
    assert "the policy requires" in error["found"]
    assert error["cure"]["command"]
    silent = machine().having(**{fact: Unknown(why="nobody answers")})
    code, report = checked(text, silent, "--strict", "--only", id_)
    assert (code, report["verdict"], id_ in report["unknown"]) == (2, "unknown", True)
    passing = f'unknown = "pass"\n{text}'
    assert checked(passing, silent, "--only", id_)[0] == 0
    assert checked(passing, silent, "--only", id_, "--strict")[0] == 2


def test_a_policy_of_a_good_machine_is_met_by_it_and_by_no_other(tmp_path, inside):
    for name in ("healthy-rtx4090", "healthy-h100-nvswitch", "healthy-rx7900xtx"):
        folder = plant(tmp_path, {name: None}) / name
        keep(folder, good=snapshot_of(name), other=snapshot_of("healthy-cpu-server"))
        init = ("policy", "init", "--from", "good.json")
        assert not inside(*init, cwd=folder).returncode
        assert inside("check", "--from", "good.json", cwd=folder).returncode == 0
        ended = inside("check", "--from", "other.json", "--format", "json", cwd=folder)
        ids = {one["id"] for one in json.loads(ended.stdout)["findings"]}
        assert any(one.startswith("policy-") for one in ids), (name, ids)
        again = inside(*init, cwd=folder)
        assert (again.returncode, "--force" in again.stderr) == (2, True)


@pytest.mark.parametrize("file", ["doctor.toml", "pyproject.toml", "own.toml"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fail-one = 'error'", ["line 1", "fail-one", "is it fail-on?"]),
        ("[policy]\ndrivr = '>=550'", ["line 2", "drivr", "is it driver?"]),
        ("[policy]\ntransformers = '>=4'", ["transformers", "policy.packages"]),
        ("[policy]\nram = 'lots'", ["line 2", "policy.ram", "80 GiB"]),
        ("[policy]\nram = 16", ["policy.ram", "80 GiB"]),
        ("[policy]\ngpus = true", ["policy.gpus"]),
        ("[policy]\ndriver = 'newest'", ["policy.driver", "specifier"]),
        ("[policy]\nmig = 'off'", ["policy.mig", "true or false"]),
        ("[policy]\ndisk = {home = '1 GiB'}", ["'home'", "hf-cache"]),
        ("[policy]\ntorch = '>2'\npackages = {torch = '>2'}", ["policy-torch is set twice"]),
        ("[policy]\npackages = 'torch'", ["policy.packages is not a table"]),
        ("unknown = 'maybe'", ["line 1", "unknown", '"pass"']),
        ("skip = 'no-gpu'", ["line 1", "skip"]),
        ("fail-on = 'warning", ["doctor.toml"]),
        ("[[ignore]]\nid = 'no-gpu'\nreason = 'x'", ["ignore", "until"]),
        (
            "[[ignore]]\nid = 'no-gpv'\nreason = 'x'\nuntil = 2099-01-01",
            ["no-gpv", "is it no-gpu?"],
        ),
        ("ignore = 3", ["line 1", "ignore"]),
        (
            "[[ignore]]\nid = 'no-gpu'\nreason = 'x'\nuntil = 2099-01-01\nunitl = 1",
            ["ignore", "unitl", "line 5", "is it until?"],
        ),
        ("fail-on = 'error'\nfail_on = 'never'", ["fail-on is set twice"]),
        ("[policy.packages]\n__class__ = '>1'", ["line 2", "'__class__'"]),
        ("[policy]\ndriver = 's3cret'", ["line 2", "policy.driver", "570"]),
        ("mirrors = {default = 'htp://me:s3cret@host/'}", ["line 1", "mirrors.default"]),
        ("[policy", ["doctor.toml"]),
        ("\udcff", ["doctor.toml", "UTF-8"]),
        ("[policy]\nDRIVER = '>1'", ["line 2", "is it driver?"]),
        ("[policy]\ndisk = 5", ["line 2", "policy.disk takes a size"]),
        ("mirrors = {pytroch = 'https://h/'}", ["line 1", "is it pytorch?"]),
        (
            (
                "[[ignore]]\n"
                "id = 'no-gpu'\n"
                "reason = 'x'\n"
                "until = 2099-01-01\n"
                "[[ignore]]\n"
                "id = 'no-gpu'\n"
                "reason = ''\n"
                "until = 2099-01-01"
            ),
            ["line 5", "a reason"],
        ),
        ("only = ['no-gpv']", ["doctor.toml: no check is called 'no-gpv' (is it no-gpu?)"]),
        (
            "[policy.variables]\nDB_PASSWORD = 's3cret'",
            ["line 2", "DB_PASSWORD: the value is not compared"],
        ),
        ("skip = ['https://me:s3cret@host/x']", ["no check is called 'https://"]),
    ],
)
def test_settings_that_are_wrong_are_an_error_with_file_line_and_way_out(
    text: str, says: list[str], file: str, tmp_path: Path, inside: Inside
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
    ended = inside("check", *words)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended.stderr
    assert "s3cret" not in ended.stderr
    for said in says:
        line = said.replace("line 1", "line 2") if whole.startswith("[tool.doctor]\n") else said
        assert line.replace("doctor.toml", file) in ended.stderr


def test_a_policy_beside_other_settings_is_not_passed_over(tmp_path: Path, inside: Inside) -> None:
    plant(tmp_path, {"doctor.toml": '[tool.doctor]\nskip = []\n[policy]\nram = "1 TiB"\n'})
    ended = inside("check")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "doctor.toml, line 3: 'policy' is outside" in ended.stderr


@pytest.mark.parametrize(
    "table", ["[tool.docter]", "[tool.docotr.policy]", "[tool.tunedoctor]", "[doctor]"]
)
def test_settings_under_another_name_are_told_of_once(table: str, tmp_path: Path) -> None:
    plant(tmp_path, {"pyproject.toml": f"[tool.docker]\nx = 1\n{table}\nram = '900 TiB'\n"})
    told = f"[{table.strip('[]').removesuffix('.policy')}] is not read; settings belong in "
    ended = doctor("check", cwd=tmp_path)
    assert ended.stderr.splitlines() == [f"doctor: pyproject.toml: {told}[tool.doctor]"]
    ended = doctor("check", "--config", "pyproject.toml", cwd=tmp_path)
    assert (ended.returncode, told in ended.stderr) == (2, True)


def test_no_like_key_of_another_tool(tmp_path: Path, inside: Inside) -> None:
    other = "[tool.other.policy]\nskip = 1\ndriver = 2\n[tool.doctor]\nskip = 3\n"
    for text, line in ((other, 5), (other.replace("= 3", "= []\npolicy.driver = 4"), 6)):
        plant(tmp_path, {"pyproject.toml": text})
        ended = inside("check")
        assert f"pyproject.toml, line {line}: " in ended.stderr


def test_a_broken_pyproject_is_an_error_and_one_without_settings_is_none(tmp_path, inside):
    plant(tmp_path, {"pyproject.toml": "[project\nname = 'x'\n"})
    ended = inside("check")
    assert (ended.returncode, "pyproject.toml" in ended.stderr) == (2, True)
    plant(tmp_path, {"pyproject.toml": "[project]\nname = 'x'\n"})
    assert not inside("check").stderr
    ended = inside("check", "--config", "none.toml")
    assert (ended.returncode, "none.toml" in ended.stderr) == (2, True)
    assert 1000 < len(inside("check", "--only", "x" * 9999).stderr) < 3000


def test_settings_of_a_project_hold_in_its_folders_and_those_of_nobody_else(tmp_path, inside):
    """A target is of the folder of the file; without a repository the nearest project ends the search."""
    root, deep = tmp_path / "root", tmp_path / "root" / "a b" / "deep"
    plant(root, {"pyproject.toml": "[tool.doctor]\ntarget = 'env'\n", ".git/HEAD": "", "env": None})
    plant(deep.parent, {"pyproject.toml": "[project]\n", "doctor.toml": "", "deep": None})
    plant(tmp_path, {"doctor.toml": "skip = ['no-gpu']\n"})

    def held() -> tuple[str, str]:
        told = json.loads(inside("config", "--format", "json", cwd=deep).stdout)
        return told["file"], next(x["value"] for x in told["settings"] if x["name"] == "target")

    there = str(Path("..", "..", "pyproject.toml"))
    assert held() == (there, "env")
    report = json.loads(inside("check", "--format", "json", cwd=deep).stdout)
    assert report["target"]["asked"] == str(root / "env")
    plant(root, {"doctor.toml": "strict = true\n"})
    shown = json.loads(inside("config", "--format", "json", cwd=deep).stdout)["settings"]
    assert {"name": "fail-on", "value": "warning", "source": "strict"} in shown
    plant(root, {"doctor.toml": "fail-one = 1\n"})
    assert "../../doctor.toml, line 1" in inside("check", cwd=deep).stderr
    (root / "doctor.toml").unlink()
    if os.geteuid() == 0:  # who else can give a file away
        os.chown(root / "pyproject.toml", 1234, -1)
        assert held() == ("", "")
        os.chown(root / "pyproject.toml", 0, -1)
    (root / ".git" / "HEAD").unlink()
    (root / ".git").rmdir()
    assert held() == ("", "")
    (deep.parent / "pyproject.toml").unlink()
    (deep.parent / "doctor.toml").unlink()
    assert held() == (there, "env")
    root.chmod(0o1777)  # everybody's, as /tmp is
    assert held() == ("", "")


def test_an_ignored_finding_counts_again_when_its_last_day_is_over(tmp_path, inside):
    keep(tmp_path, sick=snapshot_of(SICK))
    today = datetime.now(UTC).date()
    for until, code in ((today, 0), (today - timedelta(days=1), 1)):
        entry = f'[[ignore]]\nid = "driver-too-old"\nreason = "new driver comes"\nuntil = {until}\n'
        plant(tmp_path, {"doctor.toml": entry})
        ended = inside("check", "--from", "sick.json")
        assert ended.returncode == code
        assert ("new driver comes" in ended.stdout) == (code == 0)
        assert ("no longer ignored" in ended.stderr) == (code == 1)


def test_only_what_is_not_in_the_baseline_fails(tmp_path: Path, inside: Inside) -> None:
    sick = snapshot_of(SICK)
    newer = altered(sick, kinds.NvidiaDriver, version="551.23.01")  # numbers of a finding change
    worse = newer.having(kinds.SharedMemory(total=1 << 20, free=1 << 20))
    keep(tmp_path, a=sick, b=newer, c=worse)

    def judge(name: str, *words: str) -> int:
        return inside(
            "check", "--from", f"{name}.json", "--baseline", "base.json", *words
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


def test_an_image_is_told_what_its_wheel_will_need(tmp_path: Path, inside: Inside) -> None:
    """No GPU at build time is no fault; a driver that is too old there is none of the image's."""
    keep(tmp_path, image=snapshot_of(SICK))
    plant(tmp_path, {"doctor.toml": '[policy]\ndriver = ">=570"\npython = ">=3.11"\ngpus = 8\n'})
    words = ("check", "--from", "image.json", "--profile", "image")
    ended = inside(*words, "--format", "json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["needs"]["NVIDIA driver"]) == (0, ">=580")
    assert "policy-python" in report["passed"]
    # what the policy asks of machines waits for the one that runs it
    waits = {id_: says for id_, says in report["needs"].items() if id_.startswith("policy-")}
    assert waits == {"policy-driver": ">=570", "policy-gpus": ">=8"}
    assert "needs  torch" in inside(*words).stdout


HANGS = "#!/bin/sh\nexec sleep 600\n"


def test_a_driver_that_hangs_ends_as_unknown(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(HANGS)
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    words = ("check", "--profile", "node", "--format", "json", "--timeout")
    for seconds in ("1.5", "4", "8"):  # a machine that is slow tells nothing within the first
        ended = doctor(*words, seconds, cwd=tmp_path, PATH=path)
        report = json.loads(ended.stdout)
        if report["machine"]["system"]:
            break
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
    began = time.monotonic()
    env = {**os.environ, "SLURMD_NODENAME": "n17"}
    ended = ran(sys.executable, "-c", code, cwd=tmp_path, env=env)
    assert time.monotonic() - began < 300
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["host"], report["node"]) == (platform.node(), "n17")
    assert (ended.returncode, "--timeout" in ended.stdout) == (2, True), ended.stderr
    # a Python that had no time to answer is there
    plant(tmp_path, {"env/bin/python": HANGS, "env/pyvenv.cfg": "home = /usr/bin\n"})
    (tmp_path / "env/bin/python").chmod(0o755)
    deep = ("--target", "env", "--deep", "--timeout", "0.5", "--format", "json")
    report = json.loads(doctor("check", *deep, cwd=tmp_path).stdout)
    assert (report["verdict"], "target-missing" in report["unknown"]) == ("unknown", True)


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


def test_all_formats_come_of_one_look_and_may_be_written_again(tmp_path, inside):
    """A file of somebody else is never written over, and that is told before any work."""
    keep(tmp_path, sick=snapshot_of(SICK))
    plant(tmp_path, {"requirements.txt": "peft\ntorch==2.9.1\n"})
    words = [word for name in EVERY for word in ("--output", f"{name}=out.{name}")]
    for _ in range(2):
        ended = inside("check", "--from", "sick.json", *words)
        assert (ended.returncode, ended.stderr) == (1, "")
        assert "driver-too-old" in ended.stdout
        texts = {name: (tmp_path / f"out.{name}").read_text("utf-8") for name in EVERY}
        assert [name for name in EVERY if "driver-too-old" not in texts[name]] == []
    assert "<p>Next: read more about this</p>" in texts["html"], (
        "of another machine nothing is cured here"
    )
    assert "requirements.txt" in texts["sarif"]
    assert "requirements.txt" in texts["gitlab"]
    assert re.search(
        "::error title=driver-too-old.*,file=requirements.txt,line=2::", texts["github"]
    )
    assert inside("check", "--from", "sick.json", "--format", "github").stdout == texts["github"]
    code = inside("check", "--from", "sick.json", "--format", "nagios")
    assert code.returncode == 2
    for name, text in (dict.fromkeys(EVERY, "precious\n") | OTHERS).items():
        plant(tmp_path, {"mine.txt": text})
        ended = inside("check", "--output", f"{name}=mine.txt")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "mine.txt" in ended.stderr
        assert (tmp_path / "mine.txt").read_text() == text


@pytest.mark.parametrize("way", ["full", "crash"])
@pytest.mark.parametrize(("name", "code"), [(SICK, 1), ("healthy-rtx4090", 0)])
def test_what_befalls_one_format_hides_neither_verdict_nor_the_others(
    way: str, name: str, code: int, tmp_path: Path, inside: Inside
) -> None:
    """Where all was well, what was asked for is not there: 2."""
    keep(tmp_path, one=snapshot_of(name))
    bad = "sarif=/dev/full" if way == "full" else "sarif=bad.sarif"
    words = ("check", "--from", "one.json", "--output", bad, "--output", "junit=good.xml")
    with pytest.MonkeyPatch.context() as patch:
        if way == "crash":
            patch.setattr("tunedoctor.render.formats.sarif.render", lambda _: 1 / 0)
        ended = inside(*words)
    assert ended.returncode == (code or 2)
    assert "sarif" in ended.stderr
    assert ("driver-too-old" if code else "Ready") in ended.stdout
    assert (tmp_path / "good.xml").read_text().startswith("<?xml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tunedoctor.render.formats.sarif.render", lambda _: 1 / 0)
        ended = inside(*words[:3], "--format", "sarif")
    assert (ended.returncode, ended.stdout) == (code or 2, "")
    assert ("driver-too-old" if code else "ready") in ended.stderr


def test_github_actions_get_annotations_and_a_summary_by_themselves(tmp_path, inside):
    keep(tmp_path, sick=snapshot_of(SICK))
    summary = tmp_path / "summary.md"
    there = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    words = ("check", "--from", "sick.json")
    ended = inside(*words, **there)
    assert "\n::error title=driver-too-old" in ended.stdout
    assert "Next:" in ended.stdout
    assert "driver-too-old" in summary.read_text()
    # what others wrote is no command of the runner, which looks behind spaces, and for ##[ anywhere
    entry = '[[ignore]]\nid = "{}"\nreason = "x\\n ::error::y ##[error]z"\nuntil = {}-01-01\n'
    entries = entry.format("no-gpu", 2020) + entry.format("driver-too-old", 2099)
    plant(tmp_path, {"doctor.toml": entries})
    ended = doctor(*words, cwd=tmp_path, **there)
    told = ended.stdout + ended.stderr
    assert told.count(": :error::y ## [error]z") == 2
    assert not re.search(r"^\s*::error::y|##\[", told, re.MULTILINE)
    plant(tmp_path, {"doctor.toml": ""})
    ended = inside(*words, "--format", "json", **there)
    assert json.loads(ended.stdout)["verdict"] == "findings"
    os.mkfifo(tmp_path / "pipe")
    ended = doctor(*words, cwd=tmp_path, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="pipe")
    assert (ended.returncode, "::error" in ended.stdout) == (1, True)
    assert "summary (pipe) could not be written" in ended.stderr


@pytest.mark.parametrize(
    ("settings", "argv", "code", "says"),
    [
        pytest.param(
            None,
            ["check", "--from", "here.json", "--only", "no-gpu", "--skip", "no-gpu"],
            2,
            "no check is left",
            id="no check is left",
        ),
        pytest.param(
            "[policy]\ntorch = '>1'",
            ["check", "--from", "here.json", "--profile", "node", "--only", "policy-torch"],
            2,
            "--profile node",
            id="a policy that the profile has none of",
        ),
        pytest.param(
            None,
            ["check", "--from", "sick.json", "--profile", "node"],
            0,
            "Machine OK",
            id="of a node's snapshot no environment",
        ),
        pytest.param(
            "[policy]\nvariables = {FOO = false}",
            ["check", "--from", "here.json"],
            2,
            "does not contain FOO",
            id="a variable that no snapshot holds",
        ),
        pytest.param(
            "[policy]\nvariables = {HF_TOKEN = 'x'}",
            ["check", "--from", "token.json"],
            2,
            "the value is not compared",
            id="the value of a secret",
        ),
        pytest.param(
            "[policy]\ncompute-capability = '>8'",
            ["check", "--from", "bare.json"],
            1,
            "no NVIDIA GPU",
            id="a driver without GPUs",
        ),
        pytest.param(
            "[policy]\nmig = false",
            ["check", "--from", "bare.json"],
            1,
            "no NVIDIA GPU",
            id="nor their mode",
        ),
        pytest.param(
            "[policy]\ngpus = '<=8'",
            ["check", "--from", "silent.json"],
            2,
            "nobody answers",
            id="GPUs that a silent driver can have",
        ),
        pytest.param(
            "[policy]\ngpu-memory = '10 GiB'",
            ["check", "--from", "igpu.json"],
            0,
            "Ready",
            id="a part of a processor",
        ),
        pytest.param(
            (
                "[policy]\n"
                "driver = '>999'\n"
                "[[ignore]]\n"
                "id = 'policy-driver'\n"
                "reason = 'x'\n"
                "until = 2099-01-01"
            ),
            ["triage", "log.txt"],
            2,
            "Undecided",
            id="a report and the folder's policy",
        ),
        pytest.param(
            None,
            ["check", "--config", "pyproject.toml"],
            2,
            "no [tool.doctor]",
            id="settings that are not there",
        ),
        pytest.param(
            "[tool.ruff]\n[policy]\ndriver = '>999'",
            ["check", "--from", "here.json"],
            2,
            "'tool'",
            id="beside other tools",
        ),
        pytest.param(
            None, ["check", "--from", "here.json", "--output", "md=."], 2, "a folder", id="a folder"
        ),
        pytest.param(
            None,
            ["check", "--from", "here.json", "--output", "md=o", "--output", "line=./o"],
            2,
            "two outputs",
            id="one file by two names",
        ),
        pytest.param(
            None,
            [
                "check",
                "--from",
                "here.json",
                "--baseline",
                "o",
                "--write-baseline",
                "--output",
                "json=o",
            ],
            2,
            "two outputs",
            id="the baseline",
        ),
        pytest.param(
            None,
            ["check", "--from", "here.json", "--baseline", "deep.json"],
            2,
            "deep.json",
            id="a baseline that is a pit",
        ),
        pytest.param(
            None,
            ["check", "--from", "here.json", "--output", "line=-"],
            0,
            "\ndoctor: ready\n",
            id="stdout",
        ),
        pytest.param(
            None,
            ["check", "--format", "nagios", "--bogus"],
            3,
            "DOCTOR UNKNOWN - doctor check has no option",
            id="misuse under nagios",
        ),
        pytest.param(
            None,
            ["check", "--from", "here.json", "--format", "nagios", "--output", "line=/dev/full"],
            3,
            "DOCTOR OK",
            id="nagios and a lost file",
        ),
        pytest.param(
            None,
            ["check", "--timeout", "0"],
            2,
            "--timeout: 0.0 is not in the range 0.5<=x",
            id="no time at all",
        ),
        pytest.param(
            None,
            ["check", "--from", "report.json"],
            2,
            "its \"schema\" is 'doctor.report/1'",
            id="a report in the place of a snapshot",
        ),
        pytest.param(
            None,
            ["check", "--from", "here.json", "--output", ("md=" + "x" * 300)],
            2,
            "File name too long",
            id="a name that is too long",
        ),
        pytest.param(
            "[policy.variables]\nMY_TOKEN = true",
            ["check", "--from", "here.json"],
            2,
            "does not contain MY_TOKEN",
            id="why a secret's entry is open",
        ),
        pytest.param(
            "\ufeff[policy]\nram = '1 GiB'",
            ["check", "--from", "here.json", "-v"],
            0,
            "policy-ram",
            id="settings of an editor of Windows",
        ),
    ],
)
def test_what_was_not_looked_at_is_no_pass_and_nothing_is_lost(
    settings, argv, code, says, tmp_path, inside
):
    """Without a file of settings `settings` is None."""
    keep(
        tmp_path,
        here=machine(),
        sick=snapshot_of(SICK),
        bare=altered(machine(), kinds.NvidiaGpus, gpus=lambda _: ()),
        silent=machine().having(NvidiaGpus=Unknown(why="nobody answers")),
        igpu=snapshot_of("rocm-igpu-beside-card"),
        token=machine().having(kinds.Environment(variables={"HF_TOKEN": "set"})),
    )
    deep = f'{{"schema": "doctor.baseline/1", "x": {"[" * 99_999}{"]" * 99_999}}}'
    plant(tmp_path, {"report.json": '{"schema": "doctor.report/1", "verdict": "ready"}'})
    plant(tmp_path, {"deep.json": deep, "log.txt": "RuntimeError: x\n", "pyproject.toml": "[x]\n"})
    plant(tmp_path, {} if settings is None else {"doctor.toml": settings})
    ended = inside(*argv)
    told = ended.stdout + ended.stderr
    assert ended.returncode == code, told
    assert says in told


def test_a_policy_of_anybody_s_snapshot_is_a_policy(tmp_path: Path, inside: Inside) -> None:
    """What is written of it holds no lines of its own, and the machine meets it."""
    evil = '9"\n[mirrors]\ndefault = "http://evil/'
    hostile = altered(
        snapshot_of("rocm-igpu-beside-card"),
        kinds.Packages,
        distributions=lambda all_: tuple(replace(one, version=evil) for one in all_),
    ).having(kinds.NvidiaDriver(version="N/A"))
    keep(tmp_path, it=hostile)
    assert not inside("policy", "init", "--from", "it.json").returncode
    assert "evil" not in (tmp_path / "doctor.toml").read_text()
    ended = inside("check", "--from", "it.json", "--format", "json")
    told = json.loads(ended.stdout)
    assert "policy-gpus" in told["passed"]
    assert not [one for one in told["findings"] if one["id"].startswith("policy-")]


def test_outputs_outlive_a_reader_a_folder_and_hang_no_longer_than_the_limit(tmp_path):
    def shell(line: str) -> Ran:
        whole = line.replace("doctor", f"{sys.executable} -m tunedoctor check --profile node")
        return ran("bash", "-c", whole, cwd=tmp_path)

    assert shell("doctor --output json=one.json | true; exit ${PIPESTATUS[0]}").returncode == 141
    assert json.loads((tmp_path / "one.json").read_text())["verdict"]
    assert shell("doctor --output line=/dev/stdout > two").returncode == 0
    assert (tmp_path / "two").read_text().endswith("\ndoctor: ready\n")
    gone = shell("mkdir gone; cd gone; rmdir ../gone; doctor --format sarif")
    assert json.loads(gone.stdout)["runs"]
    os.mkfifo(tmp_path / "pipe")
    for seconds in (0.5, 9, 60):  # a machine that is slow has not looked within the first
        hung = shell(f"doctor -q --timeout {seconds} --output sarif=pipe")
        if "Machine OK" in hung.stdout:
            break
    assert (hung.returncode, "Machine OK" in hung.stdout) == (2, True)
    assert "could not be written in time" in hung.stderr
