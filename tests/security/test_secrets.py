"""Secrets do not leave: planted through the commands, row by row of the table, and in time that grows with the text."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from security.planted import Planted, planted

from tunedoctor.data.examine import rules_for, secrets_in
from tunedoctor.diagnosis.redaction import Identity, redact_text
from tunedoctor.tables.secrets import Kind, expression, kinds

WHO = Identity("/home/adalove", "adalove", "bletchley7")
TEXTS = planted()
DOCTOR = "from tunedoctor.__main__ import main; main()"
CARELESS = f"import tunedoctor.diagnosis.redaction as r; r.redact = lambda data, *_: data; {DOCTOR}"
"""The control: the same command, were there no redaction."""


def _doctor(code: str, *argv: str, env: Mapping[str, str] = os.environ) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code, *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**env, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stdout


def _leaks(shown: str, texts: list[Planted]) -> list[str]:
    """Return the kinds of which a secret, or a line of one, stands in what was shown."""
    plain = shown.replace("\\\\", "\\").replace('\\"', '"').replace("\\n", "\n")
    lines = [
        (one.kind, line) for one in texts for whole in one.secrets for line in whole.split("\n")
    ]
    return sorted({kind for kind, line in lines if len(line) > 3 and line in plain})


def test_none_leaves_in_a_snapshot() -> None:
    env = {f"HF_NOTE_{i:03}": f"begin {one.text} end" for i, one in enumerate(TEXTS)}
    env = {**os.environ, **env, "HOME": "/home/adalove"}
    careless = _doctor(CARELESS, "snapshot", env=env)
    assert len(_leaks(careless, TEXTS)) > 200  # some addresses lose their logins in the probe
    shown = _doctor(DOCTOR, "snapshot", env=env)
    noted = json.loads(shown)["facts"]["Environment"]["value"]["variables"]
    assert sum(value.startswith("begin ") for value in noted.values()) == len(TEXTS)
    assert _leaks(json.dumps(noted, ensure_ascii=False), TEXTS) == []


def test_none_leaves_in_reports_of_others(tmp_path: Path) -> None:
    texts = [one for one in TEXTS if "\n" not in one.text]
    for i, one in enumerate(texts):
        error = f"401 Client Error: Unauthorized for url: https://huggingface.co/x begin {one.text}"
        (tmp_path / f"{i:03}.txt").write_text(f"HfHubHTTPError: {error}\n", encoding="utf-8")
    argv = ["triage", "--format", "jsonl", "-v", str(tmp_path)]
    assert len(_leaks(_doctor(CARELESS, *argv), texts)) > 200
    shown = _doctor(DOCTOR, *argv)
    assert len(re.findall("begin", shown)) >= len(texts) - 5
    assert _leaks(shown, texts) == []


def _host_env(home: Path, name: str) -> dict[str, str]:
    """Return an environment in which every Python takes `name` for its host's: os.uname is asked, nothing else."""
    (home / "sitecustomize.py").write_text(
        "import os\nif hasattr(os, 'uname'):\n    _u = os.uname()\n"
        f"    os.uname = lambda: os.uname_result((_u[0], {name!r}, *_u[2:]))\n"
    )
    where = home / "cobol01-cache"
    return {**os.environ, "PYTHONPATH": str(home), "HF_HOME": f"/mnt/{name}/hf", "X": str(where)}


def test_the_own_host_name_is_told_where_it_stays(tmp_path: Path) -> None:
    env = _host_env(tmp_path, "bletchley7")
    report = tmp_path / "report.txt"
    error = "401 Client Error: Unauthorized for url: https://huggingface.co/x on bletchley7"
    report.write_text(f"HfHubHTTPError: {error}\nuser@colossus2:~$ ls\n")
    shared = {
        "snapshot": _doctor(DOCTOR, "snapshot", env=env),
        "triage": _doctor(DOCTOR, "triage", "--format", "json", "-v", str(report), env=env),
    }
    for name, shown in shared.items():
        assert "bletchley7" not in shown, name
        assert "host-" in shown, name
    for argv in (["snapshot"], ["triage", "--format", "json", "-v", str(report)]):
        assert "bletchley7" in _doctor(DOCTOR, *argv, "--keep-host", env=env)
    local = Identity("", "", "bletchley7", "bletchley7")
    text = "hostname: bletchley7, a@bletchley7: and a@colossus2: by ssh"
    assert redact_text(text, local).count("bletchley7") == 2
    assert "colossus2" not in redact_text(text, local)


@pytest.mark.parametrize("one", TEXTS, ids=lambda one: one.kind)
def test_planted_ones_go_and_twice_is_once(one: Planted) -> None:
    for seed in range(5):
        text = planted(seed)[TEXTS.index(one)]
        clean = redact_text(f"x\n{text.text}\ny", WHO)
        assert _leaks(clean, [text]) == []
        assert redact_text(clean, WHO) == clean
        assert re.search(r"-[0-9a-f]{6}", clean)


KINDS = kinds("text")


def _id(kind: Kind) -> str:
    return f"{kind.id}-{kind.source[:20]}"


@pytest.mark.parametrize(
    ("kind", "near"),
    [(k, near) for k in KINDS for near in k.near],
    ids=lambda v: getattr(v, "id", v),
)
def test_what_looks_like_it_stays(kind: Kind, near: str) -> None:
    text = f"It is {near} there."
    assert expression(kind).search(text) is None or redact_text(text, WHO) == text
    assert kind.id not in str(secrets_in(text, rules_for(text.encode())))


SIZE = 8_000
WORDS = [
    "token", "atoken-", "token=", "token ", '"token":"', "token='", "password is ", "key", "api_key|", "://a", "://a:", "://:@", "a@",
    "a:b@", "@", "a.", "/home/", "/home/a ", "[", "A", "0:", "::", "f:", "docker login -p x", "=", "\\", '"', "-", "Aa1", "aA1/",
    "Aa1=", "machine a login b ", "a.internal", "?key=", "host: ", "user: ", "-----BEGIN RSA PRIVATE KEY-----", "bearer ",
    "Nov 25 10:00:00 a ", "authorization: ", "cookie: a=", "C:\\Users\\a ", "MII", "curl ", "linux ", "1.", "-eyJ", "é", "a1" * 8 + " ",
]  # fmt: skip


def _adversaries(kind: Kind) -> Iterator[str]:
    """Make what an expression of a kind likes to begin and cannot end, of its own words and letters."""
    for word in kind.words:
        yield from (word, f'"{word}', f"{word}={word}", f"{word}-", f"{word} a1")


def _cost(text: str, work: Callable[[str], object]) -> float:
    """Return CPU seconds of the work on a text, by the least of two runs."""
    taken: list[float] = []
    for _ in range(2):
        began = time.process_time()
        work(text)
        taken.append(time.process_time() - began)
    return min(taken)


def _redacting(text: str) -> object:
    return redact_text(text, WHO)


def _grows_in_step(unit: str, work: Callable[[str], object] = _redacting) -> bool:
    short, double = ((unit * (size // len(unit) + 1))[:size] for size in (SIZE, 2 * SIZE))
    for _ in range(3):
        once, twice = _cost(short, work), _cost(double, work)
        if twice < 2.6 * once + 0.02 and twice < 0.5:
            return True
    return False


def test_the_measure_sees_what_grows_faster() -> None:
    assert not _grows_in_step("atoken-", re.compile(r"[\w-]*token=").search)


@pytest.mark.parametrize("kind", KINDS, ids=_id)
def test_each_row_costs_in_step_with_the_text(kind: Kind) -> None:
    for unit in _adversaries(kind):
        assert not unit or _grows_in_step(unit), unit


@pytest.mark.parametrize("unit", WORDS)
def test_redaction_costs_in_step_with_the_text(unit: str) -> None:
    assert _grows_in_step(unit)


@pytest.mark.parametrize("name", ["my env", "it's", 'say "x"', "a;b", "$x", "a(b", "ünï code"])
@pytest.mark.parametrize(
    "form", ["doctor undo --target {}", "export HF_HOME={}", "{} -m pip check", "x=1 {} '/a b'"]
)
def test_a_command_with_the_home_folder_still_means_it(
    name: str, form: str, tmp_path: Path
) -> None:
    """What is shown is pasted: a shell of that user makes the same words of it."""
    who = Identity(home=str(tmp_path), user="", host="")
    path = f"{tmp_path}/{name}/.venv"
    shown = redact_text(form.format(shlex.quote(path)), who)
    assert str(tmp_path) not in shown
    word = shown.removeprefix(form.partition("{}")[0]).removesuffix(form.partition("{}")[2])
    said = subprocess.run(
        ["sh", "-c", f'x={word}; printf %s "$x"'],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
    )
    assert said.stdout == path
