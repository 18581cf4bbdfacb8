"""doctor fix and doctor undo as a user starts them: real environments, real installers, an index on loopback."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import jsonschema
import pytest
from libraries import running
from libraries.fixtures import index, uv_cache
from libraries.running import HELD, doctor, version
from libraries.server import Index

from tunedoctor.cli.schema import schema_of
from tunedoctor.state.folder import entry_of

__all__ = ["index", "uv_cache", "version"]

WHOLE, CLASH = HELD[:-1], HELD
Make = Callable[..., Path]


def data(*argv: str) -> dict[str, object]:
    ended = doctor(*argv, "--format", "json")
    found: dict[str, object] = json.loads(ended.stdout)
    jsonschema.validate(found, schema_of("fix"))
    return found


def state(folder: Path) -> str:
    """Return a hash over every file, folder and link of a tree, byte code left out."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts or path.suffix == ".pyc":
            continue
        found.update(os.fsencode(path.relative_to(folder)))
        if path.is_symlink():
            found.update(os.fsencode(path.readlink()))
        elif path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


@pytest.fixture
def make(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that makes an environment of packages of the index."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)

    def made(*pins: str, name: str = "my env", pip: bool = False) -> Path:
        return running.made(tmp_path / "work", index.url, *pins, name=name, pip=pip)

    return made


def test_a_clash_is_cured_and_undone(make: Make) -> None:
    env = make(*CLASH)
    leftover = next(env.glob("lib/python*/site-packages")) / "~afetensors"
    leftover.mkdir()
    before = state(env)
    assert doctor("check", "--target", str(env)).returncode == 1
    ended = doctor("fix", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "cures library-version-clash, broken-install in" in ended.stdout
    assert "~  huggingface-hub" in ended.stdout
    assert "1.5.0 → 0.36.2" in ended.stdout
    assert "all hashes match" in ended.stdout
    end = ended.stdout.splitlines()[-1]
    assert end.startswith("✓ 2 cured, proved by import in ")
    assert end.endswith(f" s.  Undo with doctor undo --target '{env}'")
    assert version(env, "huggingface_hub") == "0.36.2"
    assert not leftover.exists()
    assert doctor("check", "--target", str(env)).returncode == 0
    assert "✓ Nothing is broken in" in doctor("fix", "--target", str(env), "--yes").stdout
    listed = doctor("undo", "--list", "--target", str(env)).stdout
    assert "huggingface-hub 1.5.0 -> 0.36.2" in " ".join(listed.split())
    undone = doctor("undo", "--target", str(env))
    assert undone.returncode == 0, undone.stdout
    assert state(env) == before
    again = doctor("undo", "--target", str(env))
    assert again.returncode == 1
    assert "no fix of this environment is left to undo" in again.stdout


def test_pip_comes_to_the_same_end(make: Make) -> None:
    env = make(*CLASH, pip=True)
    found = data("fix", "--target", str(env), "--yes", "--installer", "pip")
    assert (found["end"], found["installer"], found["why"]) == ("applied", "pip", "")
    assert version(env, "huggingface_hub") == "0.36.2"
    without = make(*CLASH, name="bare")
    ended = doctor("fix", "--target", str(without), "--yes", "--installer", "pip")
    assert ended.returncode == 1
    assert "pip is not installed in" in ended.stdout
    (line,) = (one for one in ended.stdout.splitlines() if "by hand" in one)
    command = shlex.split(line.partition("by hand")[2])
    assert command == ["doctor", "fix", "--target", f"{without}/bin/python", "--installer", "uv"]


def test_a_dry_run_changes_nothing(make: Make) -> None:
    env = make(*CLASH)
    before = state(env.parent)
    ended = doctor("fix", "--target", str(env), "--dry-run")
    assert ended.returncode == 0
    assert "1.5.0 → 0.36.2" in ended.stdout
    assert "Nothing was changed: this is a dry run." in ended.stdout
    found = data("fix", "--target", str(env), "--dry-run")
    assert (found["end"], found["predicted"]) == ("planned", ["library-version-clash"])
    assert state(env.parent) == before


def test_named_findings_alone_are_cured(make: Make) -> None:
    env = make(*CLASH)
    leftover = next(env.glob("lib/python*/site-packages")) / "~afetensors"
    leftover.mkdir()
    ended = doctor("fix", "broken-install", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout
    assert not leftover.exists()
    assert version(env, "huggingface_hub") == "1.5.0"
    assert "1 cured, 1 left" in ended.stdout
    note = doctor("fix", "--only", "missing-dependency", "--target", str(env), "--dry-run")
    assert "+  peft" in note.stdout
    absent = doctor("fix", "driver-missing", "--target", str(env), "--dry-run")
    assert (absent.returncode, "driver-missing was not found" in absent.stdout) == (0, True)


def test_what_is_missing_is_put_in_and_advice_stays_advice(make: Make) -> None:
    """Without its hub transformers does not start; peft and trl are a note, and stay away."""
    env = make(*WHOLE)
    found = data("fix", "--target", str(env), "--yes")
    assert (found["end"], found["why"], found["left"]) == ("applied", "", [])
    assert found["outcome"]["cured"] == ["missing-dependency"]  # type: ignore[index]
    assert version(env, "huggingface_hub") == "0.36.2"
    assert not list(env.glob("lib/python*/site-packages/peft*"))


def test_broken_packages_are_put_in_anew(make: Make) -> None:
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    (site,) = env.glob("lib/python*/site-packages")
    copy = site / "numpy-1.26.4.dist-info"
    shutil.copytree(site / "numpy-2.2.6.dist-info", copy)
    text = (copy / "METADATA").read_text().replace("2.2.6", "1.26.4")
    (copy / "METADATA").write_text(text)
    (site / "transformers" / "__init__.py").unlink()
    shutil.rmtree(site / "accelerate-1.13.0.dist-info")
    for _ in range(3):
        doctor("fix", "--target", str(env), "--yes")
    assert doctor("fix", "--target", str(env), "--yes").stdout.startswith("✓ Nothing")
    assert not copy.exists()
    assert (site / "transformers" / "__init__.py").is_file()
    assert len(list(site.glob("accelerate-*.dist-info"))) == 1
    for _ in range(3):
        doctor("undo", "--target", str(env))
    assert copy.exists()


def test_what_does_not_prove_itself_is_put_back(make: Make) -> None:
    env = make(*CLASH)
    before = state(env)
    ended = doctor("fix", "--target", str(env), "--yes", "--smoke")
    assert ended.returncode == 1
    assert "Failed: doctor smoke" in " ".join(ended.stdout.split())
    assert "The old state is back." in ended.stdout
    assert "by hand" in ended.stdout
    (log,) = (line[11:] for line in ended.stdout.splitlines() if line.startswith("  log "))
    assert Path(log.replace("~", str(Path.home()), 1)).parent == entry_of(env)
    assert state(env) == before


def test_a_variable_is_set_in_the_activation(make: Make) -> None:
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    told = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    plan = doctor("fix", "hub-offline", "--target", str(env), "--yes", **told)
    assert plan.returncode == 0, plan.stdout
    assert "HF_HUB_OFFLINE is unset" in plan.stdout
    assert "hold once the environment is activated anew" in " ".join(plan.stdout.split())
    code = '. "$0/bin/activate"; echo "${HF_HUB_OFFLINE-gone}"'
    said = subprocess.run(
        ["sh", "-c", code, env],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert said.stdout.strip() == "gone"


def test_a_python_of_the_system_is_refused(make: Make) -> None:
    del make
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("there is no /usr/bin/python3")
    ended = doctor("fix", "--target", str(python), "--dry-run")
    assert ended.returncode == 1
    assert "belongs to the system, whose package manager looks after it" in " ".join(
        ended.stdout.split()
    )
    assert "doctor fix --new ./.venv" in ended.stdout


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--format", "json"], "not interactive"),
        ([], "not interactive"),
        (["no-such-id", "--yes"], "no check is called 'no-such-id'"),
        (["--installer", "conda", "--yes"], "--installer is 'conda'"),
        (["--new", "x", "--target", "y", "--yes"], "--new makes an environment"),
        (["--python", "3.12", "--yes"], "name its folder with --new"),
        (["--new", "x", "--python", "python9.9", "--yes"], "is no interpreter"),
        (["--format", "yaml", "--yes"], "--format is 'yaml'"),
        (["--script", "-", "--format", "json"], "both write to stdout"),
    ],
)
def test_misuse_is_said(argv: list[str], why: str) -> None:
    ended = doctor("fix", *argv)
    assert ended.returncode == 2
    assert why in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")
@pytest.mark.parametrize(("word", "hub"), [("y", "0.36.2"), ("n", "1.5.0"), ("", "1.5.0")])
def test_it_asks_first(make: Make, word: str, hub: str) -> None:
    env = make(*CLASH)
    ours, theirs = os.openpty()
    os.write(ours, f"{word}\n".encode())
    argv = [sys.executable, "-m", "tunedoctor", "fix", "--target", env]
    ended = subprocess.run(
        argv, stdin=theirs, capture_output=True, text=True, check=False, timeout=240
    )
    os.close(theirs)
    os.close(ours)
    assert "Apply? [y/N]" in ended.stdout
    assert version(env, "huggingface_hub") == hub
    assert ended.returncode == (0 if word == "y" else 1)


def test_a_loop_of_links_is_no_environment(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for argv in (["fix", "--yes"], ["fix", "--dry-run"], ["undo"]):
        ended = doctor(*argv, "--target", str(loop))
        assert ended.returncode == 1
        assert "✓ " not in ended.stdout
    ended = doctor("fix", "--new", str(loop), "--yes")
    assert ended.returncode == 1
    assert "is there already" in " ".join(ended.stdout.split())
    assert loop.is_symlink()


def test_undo_of_nothing_is_said(make: Make) -> None:
    env = make("numpy==2.2.6")
    ended = doctor("undo", "--target", str(env))
    assert (ended.returncode, ended.stdout) == (1, "✗ no fix of this environment is kept\n")
    assert doctor("undo", "x", "--list", "--target", str(env)).returncode == 2
    listed = json.loads(doctor("undo", "--list", "--target", str(env), "--format", "json").stdout)
    assert listed == {"schema": "doctor.undo/1", "states": []}


def test_a_fix_without_a_finding_stays_light(make: Make) -> None:
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    code = (
        f"import sys; sys.argv = ['doctor', 'fix', '--target', {str(env)!r}, '--yes']\n"
        "from tunedoctor.__main__ import main\n"
        "try: main()\nfinally: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code]
    ended = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=240)
    assert "✓ Nothing is broken in" in ended.stdout
    words = " ".join(ended.stdout.split())
    assert "advice: doctor check --target" in words
    assert "doctor fix missing-dependency --target" in words
    loaded = set(ended.stderr.splitlines())
    assert "tunedoctor.cli.fix" in loaded
    heavy = ("planning.make", "planning.planner", "transaction.apply")
    assert [name for name in heavy if f"tunedoctor.{name}" in loaded] == []


def test_who_holds_the_environment_open_is_told_in_the_plan(make: Make) -> None:
    env = make(*CLASH)
    code = "import numpy, time; f = open(numpy.__file__); print(1, flush=True); time.sleep(120)"
    argv = [env / "bin/python", "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other.stdout.readline()
        shown = doctor("fix", "--target", str(env), "--dry-run").stdout
        done = data("fix", "--target", str(env), "--yes")
        assert other.poll() is None
        other.kill()
    assert f"({other.pid}) runs its interpreter; restart it afterwards" in " ".join(shown.split())
    assert [one["pid"] for one in done["users"]] == [other.pid]  # type: ignore[attr-defined]
    assert done["end"] == "applied"
