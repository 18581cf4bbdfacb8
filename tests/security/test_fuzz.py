"""A few cases of benchmarks/fuzz.py on every run, and the proof that the fuzzer sees what it looks for."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="the fuzzer reads /proc and rusage of Linux"
    ),
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="not a checkout: no benchmarks here"),
]
PLANTED = """
import subprocess, sys, time


def broken():
    return 1 / 0


def main():
    match sys.argv[1]:
        case "raises":
            broken()
        case "catches":
            from contextlib import suppress
            from tunedoctor import engine
            from tunedoctor.snapshot import Snapshot
            with suppress(ZeroDivisionError):
                engine.call(broken, Snapshot.of(()))
        case "spins":
            while True:
                pass
        case "waits":
            time.sleep(60)
        case "hoards":
            print(len(bytearray(b"x") * (300 << 20)))
        case "acts":
            print("\\x1b]0;owned\\x07")
        case "hides":
            print("\\u202etxt.exe")
        case "leaks":
            print(sys.argv[2][:20], sys.argv[2][20:])
        case "leaves":
            subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
        case "ends":
            sys.exit(3)
        case "sulks":
            sys.exit(2)
        case _:
            print("well")
"""


@pytest.fixture(scope="module")
def fuzz() -> Iterator[object]:
    """The fuzzer's module, with limits for a test."""
    sys.path.insert(0, str(BENCHMARKS))
    import fuzz as module
    import fuzz_judge

    before, fuzz_judge.LIMIT = fuzz_judge.LIMIT, 0.4
    yield module
    fuzz_judge.LIMIT = before
    sys.path.remove(str(BENCHMARKS))


def test_what_a_planted_command_does_is_seen(
    fuzz: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import fuzz_cases

    secret = fuzz_cases.SECRETS[0][1]
    server = fuzz.Server("planted:main", tmp_path / "case")  # type: ignore[attr-defined]

    def seen(*argv: str) -> list[str]:
        found: list[str] = fuzz.judge(server.run(fuzz.Case(argv, {})))  # type: ignore[attr-defined]
        return found

    assert seen("behaves") == []
    (raised,) = seen("raises")
    assert raised.endswith("broken ZeroDivisionError")
    assert seen("spins") == ["hang"]
    assert seen("waits") == ["hang"]
    assert seen("hoards") == ["memory"]
    assert seen("acts") == seen("hides") == ["acts on the terminal"]
    assert seen("leaks", secret) == ["leak: 0"]
    assert seen("leaves") == ["a process outlived it"]
    assert seen("ends") == ["exit status 3"]
    assert seen("sulks") == ["exit status 2 without a word"]
    server.close()


def test_no_command_of_a_few_cases_fails(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            BENCHMARKS / "fuzz.py",
            "--cases=24",
            "--round=3",
            "--minutes=1",
            "--seed=1",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    told = json.loads(ended.stdout)
    assert told["faults"] == {}
    assert ended.returncode == 0
    assert len(told["commands"]) >= 4, "cases of several commands"
