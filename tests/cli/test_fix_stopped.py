"""doctor fix that the user stops, and what the user forbids: real environments, an index on loopback."""

import signal
from pathlib import Path

from cli.test_fix import CLASH, index, make, uv_cache
from libraries.running import state, version
from typed import Child, started, until
from typed import inside as doctor

from tunedoctor.state.folder import entry_of

__all__ = ["index", "make", "uv_cache"]


def fixing_until(word: str, env: Path) -> Child:
    child = started("fix", "--target", env, "--yes")
    assert any(word in line for line in child.stdout or ())
    return child


def test_ctrl_c_puts_back_and_says_so(make):
    env = make(*CLASH)
    before = state(env)
    child = fixing_until("fetched", env)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "the environment is as it was" in said
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
    assert "UV_OFFLINE leaves installers to the cache of uv" in " ".join(refused.stdout.split())
    ended = doctor(*argv, UV_OFFLINE="1")
    assert ended.returncode == 0, ended.stdout
    assert len(index.asked) == asked


def test_check_tells_of_a_fix_that_was_killed(make):
    env = make(*CLASH)
    (env / ".git").mkdir()  # in the folder of a project it is changed in place
    before = state(env)
    assert "broken off" not in doctor("check", "--target", str(env)).stderr
    child = fixing_until("saved", env)
    child.kill()
    child.communicate(timeout=60)
    assert "was broken off" in doctor("check", "--target", str(env)).stderr
    ended = doctor("fix", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout
    assert doctor("check", "--target", str(env)).stderr == ""
    assert doctor("undo", "--target", str(env)).returncode == 0
    assert state(env) == before


def test_a_doctor_that_is_killed_amid_the_import_leaves_the_old_state(make, tmp_path):
    flag, env = tmp_path / "flag", make(*CLASH)
    # what is put in is imported from the copy, in which the old code still stands for what was not changed
    for code in env.glob("lib/python*/site-packages/transformers/__init__.py"):
        code.write_text(f"import pathlib, time; pathlib.Path({str(flag)!r}).touch(); time.sleep(60)")
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
        code.write_text("raise ImportError('undefined symbol: _ZN3c10')")
    assert "torch-import-crash" in doctor("fix", "--target", str(env), "--dry-run").stdout
    memory = entry_of(env) / "looks.json"
    good = memory.read_bytes()
    for text in (b"{", b'{"imports": 3}', b"\xff", b"[" * 100_000, good):
        memory.write_bytes(text)
        told = "torch-import-crash" in doctor("check", "--target", str(env)).stdout
        assert told == (text == good), text
