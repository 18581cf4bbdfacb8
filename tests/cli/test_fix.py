"""doctor fix, doctor undo and the printed script, started and stopped: real environments, an index on loopback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from libraries import running
from libraries.running import HELD, state, version
from typed import HANGS, Child, Ran, ran, started, until
from typed import inside as doctor

from tunedoctor.installers.uv import find_uv
from tunedoctor.model.plan import Install, Pin, Plan, WriteFile
from tunedoctor.render.script import render_script
from tunedoctor.state.folder import entry_of
from tunedoctor.tables.load import table

WHOLE, CLASH = HELD[:-1], HELD
NAMES = {name: " ".join(names) for name, names in table("contract_libraries")["elementary"].items()}
"""Words that a replaced __init__.py must hold, or reading it is enough to call it damaged."""


@pytest.fixture
def make(index, tmp_path, monkeypatch):
    """Return a function that makes an environment of packages of the index."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)

    def made(*pins, name="my env", pip=False):
        return running.made(tmp_path / "work", index.url, *pins, name=name, pip=pip)

    return made


def test_a_variable_is_set_in_the_activation(make):
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    told = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    plan = doctor("fix", "hub-offline", "--target", str(env), "--yes", **told)
    assert plan.returncode == 0, plan.stdout
    assert "unset HF_HUB_OFFLINE" in plan.stdout
    assert "take effect when you activate the environment again" in " ".join(plan.stdout.split())
    code = '. "$0/bin/activate"; echo "${HF_HUB_OFFLINE-gone}"'
    around = {**os.environ, "HF_HUB_OFFLINE": "1"}
    assert ran("sh", "-c", code, env, env=around).stdout == "gone\n"


def test_it_asks_first(make):
    env = make(*CLASH)
    argv = [sys.executable, "-m", "tunedoctor", "fix", "--target", env]
    for word, hub, code in (("n", "1.5.0", 1), ("", "1.5.0", 1), ("y", "0.36.2", 0)):
        ours, theirs = os.openpty()
        os.write(ours, f"{word}\n".encode())
        how: Any = {"capture_output": True, "text": True, "timeout": HANGS}
        ended = subprocess.run(argv, stdin=theirs, check=False, **how)
        os.close(theirs)
        os.close(ours)
        assert "Apply? [y/N]" in ended.stdout
        assert (version(env, "huggingface_hub"), ended.returncode) == (hub, code)


def test_a_fix_without_a_finding_stays_light(make):
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    code = (
        f"import sys; sys.argv = ['doctor', 'fix', '--target', {str(env)!r}, '--yes']\n"
        "from tunedoctor.__main__ import main\n"
        "try: main()\nfinally: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    ended = ran(sys.executable, "-c", code)
    assert "✓ Nothing is broken in" in ended.stdout
    words = " ".join(ended.stdout.split())
    assert "advice: doctor check --target" in words
    assert "doctor fix missing-dependency --target" in words
    loaded = set(ended.stderr.splitlines())
    assert "tunedoctor.cli.fix" in loaded
    heavy = ("planning.make", "planning.planner", "transaction.apply")
    assert [name for name in heavy if f"tunedoctor.{name}" in loaded] == []


def test_a_python_that_stops_at_its_start_is_never_called_whole(make):
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    for name, data, said in (
        ("stop.pth", b"import sys; sys.exit('not on this host')\n", "stop.pth'.off"),
        ("sitecustomize.py", b"raise SystemExit('not here')\n", "sitecustomize.py'.off"),
        ("notes.pth", "/srv/code\n".encode("utf-16"), "notes.pth'.off"),
        ("sitecustomize.py", b"import os; os._exit(3)\n", "sitecustomize.py'.off"),
    ):
        file = next(env.glob("lib/python*/site-packages")) / name
        file.write_bytes(data)
        ended = subprocess.run([env / "bin/python", "-c", ""], check=False, capture_output=True)
        quick = doctor("check", "--only", "target-missing", "--target", str(env))
        told = doctor("fix", "--dry-run", "--target", str(env))
        assert ended.returncode, name
        assert (quick.returncode in (1, 2), name in quick.stdout) == (True, True), quick.stdout
        assert (told.returncode, said in told.stdout) == (1, True), told.stdout
        file.unlink()
    file.with_name("a.pth").write_text("import sys; sys.dont_write_bytecode = True\n")
    # numpy has a word that ends, and so has the hook of Ubuntu's own Python, in a comment and in what it looks for
    hook = "import atexit, numpy\n# of exit types\nif 0 in (KeyboardInterrupt,): pass\n"
    file.write_text(f"{hook}atexit.register(print)\n")
    quick = doctor("check", "--only", "target-missing", "--target", str(env))
    assert quick.returncode == 0, quick.stdout


def test_an_error_that_only_the_proof_shows_is_left_to_the_user(make):
    env = make(*CLASH)
    (code,) = env.glob("lib/python*/site-packages/safetensors/__init__.py")
    code.unlink()  # uv shares it with its cache
    # in a condition, so that reading the file does not prove it
    code.write_text(
        "if 1:\n    raise ImportError('libtool.so.9: cannot open shared object file')\n"
        f"# {NAMES['safetensors']} {'-' * 200}\n"
    )
    argv = ("fix", "--target", str(env), "--yes", "--format", "json")
    ended = doctor(*argv)
    told = json.loads(ended.stdout)
    assert told["outcome"]["cured"] == ["library-version-clash"], ended.stdout
    assert (told["left"], told["outcome"]["errors"]) == (["library-import-fails"],) * 2
    assert ended.returncode == 1
    assert doctor("check", "--target", str(env)).returncode == 1


def test_an_uninstall_that_was_killed_is_finished(make):
    env = make(*WHOLE, "huggingface-hub==0.36.2")
    (site,) = env.glob("lib/python*/site-packages")
    (site / "safetensors").rename(site / "~afetensors")
    (record,) = site.glob("accelerate-*.dist-info/RECORD")
    whole = record.read_bytes()
    record.unlink()
    record.write_bytes(whole[:-9])
    ended = doctor("fix", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout
    assert record.read_bytes() == whole
    assert doctor("check", "--target", str(env)).returncode == 0


def test_who_holds_the_environment_open_is_told_in_the_plan(make):
    env = make(*CLASH)
    code = "import numpy, time; f = open(numpy.__file__); print(1, flush=True); time.sleep(120)"
    argv = [env / "bin/python", "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        shown = doctor("fix", "--target", str(env), "--dry-run").stdout
        ended = doctor("fix", "--target", str(env), "--yes", "--format", "json")
        done = json.loads(ended.stdout)
        assert other.poll() is None
        other.kill()
    assert f"({other.pid}) runs its interpreter; restart it afterwards" in " ".join(shown.split())
    assert [one["pid"] for one in done["users"]] == [other.pid]
    assert done["end"] == "applied"


def sh(script: Path, **env: str) -> Ran:
    path = f"{Path(find_uv()).parent}{os.pathsep}{os.environ['PATH']}"
    return ran("sh", script, env={**os.environ, "PATH": path, **env})


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_the_script_cures_whatever_the_path_is_called(make, tmp_path, tool):
    env = make(*CLASH, name='it\'s "my" $env', pip=tool == "pip")
    leftover = next(env.glob("lib/python*/site-packages")) / "~afetensors"
    leftover.mkdir()
    place = tmp_path / "-cure it.sh"
    ended = doctor("fix", "--target", str(env), "--installer", tool, "--script", str(place))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert version(env, "huggingface_hub") == "1.5.0"
    mine = tmp_path / "mine.sh"
    mine.write_text("mine\n")
    assert doctor("fix", "--target", str(env), "--script", str(mine)).returncode == 2
    assert mine.read_text() == "mine\n"
    ran = sh(place)
    assert ran.returncode == 0, ran.stderr
    assert version(env, "huggingface_hub") == "0.36.2"
    assert not leftover.exists()
    assert doctor("check", "--target", str(env)).returncode == 0


def test_the_script_stops_at_the_first_failure(make, tmp_path):
    env = make(*CLASH)
    place = tmp_path / "cure.sh"
    assert doctor("fix", "--target", str(env), "--script", str(place)).returncode == 0
    text = place.read_text()
    assert "--require-hashes" in text
    nobody = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/x", "PIP_INDEX_URL": "http://127.0.0.1:9/x"}
    place.write_text(text + "\ntouch too-far\n")
    ran = sh(place, UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "empty"), **nobody)
    assert ran.returncode != 0
    assert not Path("too-far").exists()
    assert version(env, "huggingface_hub") == "1.5.0"
    other = tmp_path / "other.sh"
    other.write_text(text.replace(str(env), str(tmp_path / "gone")))
    ran = sh(other)
    assert ran.returncode == 1
    assert "no interpreter at" in ran.stderr


def test_no_name_gets_out_of_its_place(tmp_path):
    """Plans of plug-ins hold any text; what is no package's name stays a word, and comments stay comments."""
    bad = f"x\nEND\ntouch {tmp_path}/out\n"
    plan = Plan(
        steps=(
            Install(pins=(Pin(name=bad, version="1", hashes=("sha256:0",)),), index="a'; touch y"),
            WriteFile(path="etc/it's here/a.conf", text="$(touch z)\n"),
        ),
        cures=(bad,),
        reasons=(bad, "a\rb\u2028c"),
    )
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\ncat >/dev/null\n")
    python.chmod(0o755)
    script = tmp_path / "s.sh"
    script.write_text(render_script(plan, str(python), str(tmp_path), "pip"))
    assert ran("sh", script, cwd=tmp_path).returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "etc", "s.sh"]
    assert (tmp_path / "etc/it's here/a.conf").read_text() == "$(touch z)\n"


def fixing_until(word: str, env: Path) -> Child:
    child = started("fix", "--target", env, "--yes")
    assert any(word in line for line in child.stdout or ())
    return child


def test_ctrl_c_puts_back_and_says_so(make):
    env = make(*CLASH)
    before = state(env)
    child = fixing_until("fetched", env)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=HANGS)
    assert child.returncode == 130, said
    assert "the environment is unchanged" in said
    assert "Traceback" not in said
    assert state(env) == before
    kept = {path.name for path in env.parent.iterdir()} - {env.name}
    assert all(name.endswith("failed.log") for name in kept), kept


def test_what_uv_holds_in_its_cache_cures_offline(make, index):
    env = make(*CLASH)
    argv = ["fix", "--target", str(env), "--yes"]
    assert doctor(*argv).returncode == 0
    assert doctor("undo", "--target", str(env)).returncode == 0
    by_pip = make(*CLASH, name="by pip", pip=True)
    asked = len(index.asked)
    refused = doctor("fix", "--target", str(by_pip), "--yes", "--installer", "pip", UV_OFFLINE="1")
    assert "UV_OFFLINE allows only the cache of uv" in " ".join(refused.stdout.split())
    ended = doctor(*argv, UV_OFFLINE="1")
    assert ended.returncode == 0, ended.stdout
    assert len(index.asked) == asked


def test_check_tells_of_a_fix_that_was_killed(make):
    env = make(*CLASH)
    (env / ".git").mkdir()  # in the folder of a project it is changed in place
    before = state(env)
    assert "interrupted" not in doctor("check", "--target", str(env)).stderr
    child = fixing_until("saved", env)
    child.kill()
    child.communicate(timeout=HANGS)
    assert "was interrupted" in doctor("check", "--target", str(env)).stderr
    ended = doctor("fix", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout
    assert doctor("check", "--target", str(env)).stderr == ""
    assert doctor("undo", "--target", str(env)).returncode == 0
    assert state(env) == before


def test_a_doctor_that_is_killed_amid_the_import_leaves_the_old_state(make, tmp_path):
    flag, env = tmp_path / "flag", make(*CLASH)
    # what is put in is imported from the copy, in which the old code still stands for what was not changed
    for code in env.glob("lib/python*/site-packages/transformers/__init__.py"):
        waits = f"import pathlib, time; pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"
        code.write_text(f"{waits}  # {NAMES['transformers']}\n")
    with started("fix", "--target", env, "--yes") as one:
        until(flag.exists)
        one.kill()
    assert version(env) == "1.5.0"
    doctor("undo", "--target", str(env))
    assert [p.name for p in env.parent.iterdir()] == [env.name]
    assert version(env) == "1.5.0"


def test_a_damaged_memory_of_imports_is_none(make):
    env = make("torch==2.14.1", "numpy==2.2.6", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0")
    for code in env.glob("lib/python*/site-packages/torch/__init__.py"):
        # reading it proves nothing: in a condition, and the names of torch are there
        code.write_text(
            f"if 1:\n    raise ImportError('undefined symbol: _ZN3c10')\n# {NAMES['torch']}\n"
        )
    assert "torch-import-crash" in doctor("fix", "--target", str(env), "--dry-run").stdout
    memory = entry_of(env) / "looks.json"
    good = memory.read_bytes()
    for text in (b"{", b'{"imports": 3}', b"\xff", b"[" * 100_000, good):
        memory.write_bytes(text)
        told = "torch-import-crash" in doctor("check", "--target", str(env)).stdout
        assert told == (text == good), text
