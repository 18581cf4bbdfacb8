"""Secrets do not leave: planted through the commands, row by row of the table, and in time that grows with the text."""

import html
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from functools import partial

import pytest
from rows import words
from security.planted import Planted, planted

from tunedoctor.data.examine import rules_for, secrets_in
from tunedoctor.diagnosis import redaction
from tunedoctor.diagnosis.redaction import Identity, redact_text
from tunedoctor.facts import Environment
from tunedoctor.model.snapshot import Snapshot, to_data
from tunedoctor.readers.facts_block import find_facts
from tunedoctor.tables.secrets import expression, kinds

WHO = Identity("/home/adalove", "adalove", "bletchley7")
SEEDS = [planted(seed) for seed in range(5)]
TEXTS = SEEDS[1]
LINES = [one for one in TEXTS if "\n" not in one.text]
KINDS = kinds("text")
ERROR = "HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x"


def _leaks(shown: str, texts: list[Planted]) -> list[str]:
    """Return the kinds of which a secret, or a line of one, stands in what was shown."""
    plain = shown.replace("\\\\", "\\").replace('\\"', '"').replace("\\n", "\n")
    lines = [
        (one.kind, line) for one in texts for whole in one.secrets for line in whole.split("\n")
    ]
    return sorted({kind for kind, line in lines if len(line) > 3 and line in plain})


@pytest.mark.parametrize("form", ["json", "markdown", "terminal"])
def test_none_leaves_a_file_that_nobody_redacted(form, tmp_path, inside):
    """By doctor diff, under the names of variables and without them."""
    noted = {f"HF_NOTE_{i:03}": f"begin {one.text} end" for i, one in enumerate(TEXTS)}
    facts = {"a": {**noted, "HF_TOKEN": "swordfish-7-Qx"}, "b": {}}
    for name, variables in facts.items():
        data = to_data(Snapshot.of([Environment(variables=variables)]))
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
    shown = inside("diff", "a", "b", "-v", f"--format={form}").stdout
    shown = " ".join(html.unescape(shown).split())
    assert shown.count("begin ") > len(TEXTS) - 5
    assert (_leaks(shown, TEXTS), "swordfish" in shown) == ([], False)


@pytest.mark.parametrize("command", ["snapshot", "triage", "check"])
def test_none_leaves(command, tmp_path, monkeypatch, inside):
    monkeypatch.setenv("HOME", WHO.home)
    texts = LINES if command == "triage" else TEXTS
    for i, one in enumerate(texts):
        if command != "triage":
            monkeypatch.setenv(f"HF_NOTE_{i:03}", f"begin {one.text} end")
        else:
            text = f"{ERROR} begin {one.text}\n"
            (tmp_path / f"{i:03}.txt").write_text(text, encoding="utf-8")
    words = {
        "snapshot": ["snapshot"],
        "triage": ["triage", "--format=jsonl", "-v", "."],
        "check": ["check", "--format=md"],
    }[command]
    shown = inside(*words).stdout
    if command != "triage":  # other facts may hold a word of one by chance
        noted = found.find(Environment) if (found := find_facts(f"{shown}\n").snapshot) else None
        shown = json.dumps(noted.variables if noted else {}, ensure_ascii=False)
    assert shown.count("begin ") >= len(texts) - 5
    assert _leaks(shown, texts) == []
    monkeypatch.setattr(redaction, "redact", lambda data, *_: data)
    careless = inside(*words).stdout
    assert len(_leaks(careless, texts)) > 200, "the control: were there no redaction"


def test_the_own_host_name_is_told_where_it_stays(tmp_path, monkeypatch, inside):
    real = os.uname()
    own = os.uname_result((real.sysname, WHO.host, real.release, real.version, real.machine))
    monkeypatch.setattr(os, "uname", lambda: own)
    monkeypatch.setenv("HF_HOME", f"/mnt/{WHO.host}/hf")
    (tmp_path / "r.txt").write_text(f"{ERROR} on {WHO.host}\nuser@colossus2:~$ ls\n")
    for argv in (["snapshot"], ["triage", "--format", "json", "-v", "r.txt"]):
        shown = inside(*argv).stdout
        assert (WHO.host in shown, "host-" in shown) == (False, True), argv
        assert WHO.host in inside(*argv, "--keep-host").stdout
    shown = inside("check", "--format=md", HF_HOME=f"/mnt/{WHO.host}/hf").stdout
    assert (WHO.host in shown, "/mnt/host-" in shown) == (False, True)
    local = Identity("", "", WHO.host, WHO.host)
    clean = redact_text(f"hostname: {WHO.host}, a@{WHO.host}: and a@colossus2: by ssh", local)
    assert (clean.count(WHO.host), "colossus2" in clean) == (2, False)


@pytest.mark.parametrize("place", range(len(TEXTS)), ids=[one.kind for one in TEXTS])
def test_planted_ones_go_and_twice_is_once(place):
    for seed in SEEDS:
        clean = redact_text(f"x\n{seed[place].text}\ny", WHO)
        assert _leaks(clean, [seed[place]]) == []
        assert redact_text(clean, WHO) == clean
        assert re.search(r"-[0-9a-f]{6}", clean)


NEAR = [(kind, near) for kind in KINDS for near in kind.near]


@pytest.mark.parametrize(("kind", "near"), NEAR, ids=[f"{kind.id}-{near}" for kind, near in NEAR])
def test_what_looks_like_it_stays(kind, near):
    text = f"It is {near} there."
    assert expression(kind).search(text) is None or redact_text(text, WHO) == text
    assert kind.id not in str(secrets_in(text, rules_for(text.encode())))


PUBLIC = (
    "https://discuss.pytorch.org/t/cuda-error-device-side-assert/12345",
    "https://forums.developer.nvidia.com/t/how-to-install-cuda-13-on-wsl2/301234/7",
    "https://huggingface.co/x/y/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e/config.json",
    "https://files.pythonhosted.org/packages/5d/c9/0e5a1c1bd8ab5f7ffa1fbbd7a1b2/torch-2.13.0.whl",
    "https://github.com/pytorch/pytorch/commit/607a30d783dfa663caf39e06633721c8d4cfcd7e",
    "https://nexus.acme.org/repository/pypi-proxy-internal/packages/torch/2.13.0/torch-2.13.0.whl",
    "export HF_ENDPOINT=https://hf-mirror.com",
    "pip install --trusted-host mirrors.aliyun.com torch",
    "/scratch/checkpoints/llama/step-100 and /scratch/local/tmp/x and /media/data3/kitti",
    "- name: MAX_TOKENS\n  value: 4096 tokens",
    '{"name": "eos_token", "value": "<|end_of_text|>"}',
    "the rendezvous needs master_addr and master_port",
)


@pytest.mark.parametrize("text", PUBLIC)
def test_what_names_no_one_stays(text):
    assert redact_text(text, WHO) == text


def test_a_variable_that_names_a_host_is_hidden_in_a_snapshot(inside):
    """The name of a variable is the key of its value there."""
    shown = inside(
        "snapshot", MASTER_ADDR="trainhead7", HF_ENDPOINT="https://hub.acme.de/hf"
    ).stdout
    assert ("MASTER_ADDR" in shown, "HF_ENDPOINT" in shown) == (True, True)
    assert ("trainhead7" in shown, "hub.acme.de" in shown) == (False, False)


SIZE = 4_000
WORDS = words("secrets")
UNITS = sorted(
    # what an expression likes to begin and cannot end, of its own words
    {unit for kind in KINDS for w in kind.words if w for unit in (w, f'"{w}', f"{w}={w}", f"{w}-", f"{w} a1")} | {*WORDS}
)  # fmt: skip


def _cost(text: str, work: Callable[[str], object]) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began


def _grows_in_step(unit: str, work: Callable[[str], object], runs: int = 6) -> bool:
    """Tell whether twice the text costs about twice the time, by the least of some runs; what costs little does."""
    short, double = ((unit * (size // len(unit) + 1))[:size] for size in (SIZE, 2 * SIZE))
    once = twice = 9.9
    for run in range(runs):
        twice = min(twice, _cost(double, work))
        if twice < 0.006:
            return True
        once = min(once, _cost(short, work))
        if run and twice < 2.6 * once + 0.006 and twice < 0.25:
            return True
    return False


def test_the_measure_sees_what_grows_faster():
    assert not _grows_in_step("a", lambda text: sum(range((len(text) >> 4) ** 3)), runs=2)


@pytest.mark.parametrize("part", range(8))
def test_redaction_costs_in_step_with_the_text(part):
    for unit in UNITS[part::8]:
        assert _grows_in_step(unit, partial(redact_text, who=WHO)), unit


@pytest.mark.parametrize("name", ["my env", "it's", 'say "x"', "a;b", "$x", "a(b", "ünï code"])
@pytest.mark.parametrize(
    "form", ["doctor undo --target {}", "export HF_HOME={}", "{} -m pip check", "x=1 {} '/a b'"]
)
def test_a_command_with_the_home_folder_still_means_it(name, form, tmp_path):
    """What is shown is pasted: a shell of that user makes the same words of it."""
    path = f"{tmp_path}/{name}/.venv"
    who = Identity(home=str(tmp_path), user="", host="")
    shown = redact_text(form.format(shlex.quote(path)), who)
    assert str(tmp_path) not in shown
    before, _, after = form.partition("{}")
    code = f'x={shown.removeprefix(before).removesuffix(after)}; printf %s "$x"'
    env = {**os.environ, "HOME": str(tmp_path)}
    assert subprocess.check_output(["sh", "-c", code], env=env).decode() == path
