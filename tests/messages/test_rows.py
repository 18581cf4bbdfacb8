"""What errors say: rows are their own tests; causes' files; whom the ranker suspects; words of all expressions."""

import json
import re
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typed import soon, tool

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, source_of
from tunedoctor.diagnosis.report import report_of
from tunedoctor.facts import (
    Errors,
    ErrorText,
    KernelLog,
    Resemblance,
    Resembles,
    Xid,
)
from tunedoctor.messages.cause import CauseError
from tunedoctor.messages.file import read_cause
from tunedoctor.messages.match import expression, flat, matches, shipped
from tunedoctor.model.lazy import SHIPPED, folded
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.rank import features, rank
from tunedoctor.ranking.similar import compared
from tunedoctor.ranking.weigh import OUTWEIGHED, outweighed
from tunedoctor.readers.read import read_report
from tunedoctor.readers.unwrap import clean_lines
from tunedoctor.tables.load import table

ROOT = Path(__file__).parents[2]
TOOL = tool("build_knowledge")
HELD: dict[str, Any] = TOOL.read()
CHECKS = all_checks()
EXAMPLES = [
    (id_, one, text)
    for id_, cause in HELD.items()
    for one in cause.message
    for text in one.examples
]


def test_the_tables_are_what_the_files_say():
    for name, content in TOOL.tables(HELD).items():
        assert (ROOT / f"src/tunedoctor/tables/{name}.json").read_bytes() == content, name


def found_in(text: str) -> list[tuple[str, str, bool]]:
    return [(m.cause, m.row, m.certain) for m in matches(Errors(errors=(ErrorText(text=text),)))]


def test_each_example_is_claimed_by_its_row_and_by_no_certain_row_of_another_cause():
    """And a near miss of a row is not matched by it."""
    for id_, row, text in EXAMPLES:
        own, found = (id_, row.text or row.pattern), found_in(text)
        assert own in [(cause, one) for cause, one, _ in found], (id_, text)
        wrong = {cause for cause, _, certain in found if certain} - {id_}
        assert not wrong, (id_, wrong, text)
        for near in row.near:
            assert own not in [(cause, one) for cause, one, _ in found_in(near)], near


def test_a_cause_without_code_is_told_of_each_example():
    """A certain row gives the error, and no other cause by words alone; else it is among the suspects."""
    bare = {id_ for id_, cause in HELD.items() if not cause.coded}
    untold: list[tuple[str, str, list[str]]] = []
    for id_, row, text in (one for one in EXAMPLES if one[0] in bare):
        snapshot = read_report(text)
        report = report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)
        errors = [one.id for one in report.findings if one.severity != "note"]
        suspected = [one.id for one in report.suspected]
        if {*errors} & bare != {id_} if row.certain else id_ not in suspected:
            untold.append((id_, text, errors or suspected))
    assert not untold


def test_every_cause_has_its_file_and_every_file_is_used():
    assert set(HELD) == {one.id for one in CHECKS}
    assert all(cause.settle for cause in HELD.values())
    code = {f"checks/{file.name}" for file in (ROOT / "checks").glob("*.py")}
    assert {source_of(one) for one in CHECKS if not one.by_words} == code - {"checks/__init__.py"}


def test_time_is_in_proportion_to_the_text():
    """What is worst for a row: its beginning again and again, without its end."""
    of_table = table("messages")["rows"]
    slow: list[str] = []
    for _, _, _, text, key, _, pattern in of_table:
        row = expression(text, pattern=pattern)
        starts = [key[:-1]] if pattern else re.split(r"\{[^{}]*\}", text)
        seed = flat(" x ".join(starts[:-1] or starts)) + " "

        def cost(size, row=row, seed=seed):
            low = (seed * (size // len(seed) + 1))[:size]
            began = process_time()
            row.search(low)
            return process_time() - began

        if cost(10_000) > 0.01:
            once, twice = (min(cost(size) for _ in range(3)) for size in (10_000, 20_000))
            slow += [text] if twice > 3 * once else []
    assert not slow


def test_a_text_costs_few_milliseconds():
    """All reports as one pass: the index of words leaves few rows to try."""
    cases = sorted((ROOT / "tests/reports/reports").glob("*.txt"))[::20]
    texts = [path.read_text("utf-8") for path in cases]
    assert soon(lambda: [shipped().matches(text) for text in texts], 0.01 * len(texts))


SOUND = (Path(__file__).parent / "plugin/our_cluster/port_taken.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "The rendezvous port is taken"\n', "", "title: there is none"),
        ('"training"', '"trainings"', "group: 'trainings' is not one of"),
        ('"error"', '"fatal"', "severity"),
        ("settle", "settel", "settel"),
        ('step = "setenv"', 'step = "set"', "cure[0]"),
        ('value = "29501"', "value = 29501", "cure[0].value"),
        ("[[cure]]", "[[cures]]", "cures"),
        ("source =", "origin =", "message[0]"),
        ("{port:int}", "{port:number}", "message[0]: text: 'number' is not a type of slot"),
        ("title", "[", "port_taken.toml: "),
        (
            "[[cure]]",
            "[reads.a]\npatterns = [['p: (x)', 'p: 1']]\n[[cure]]",
            "reads.a: no expression",
        ),
        ('examples = ["Dist', 'examples = ["No", "Dist', "message[0]: examples"),
        (
            "socket listens",
            "socket has failed to listen on any network address. port: 1",
            "message[0]: not",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(tmp_path, old, new, message):
    file = tmp_path / "port_taken.toml"
    file.write_text(SOUND)
    cause = read_cause(file, coded=False)
    assert (cause.group, cause.message[0].certain, len(cause.cure)) == ("training", True, 1)
    file.write_text(SOUND.replace(old, new, 1))
    with pytest.raises(CauseError) as told:
        read_cause(file, coded=False)
    assert "port_taken.toml: " in str(told.value)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_the_table_knows_the_texts_that_taught_it():
    """Weights and texts do not drift apart; to train anew takes half a minute: tools/train_ranker.py."""
    some = [*tool("train_ranker").labelled()][::4]  # a verdict takes half a millisecond
    right = sum(rank(features(clean_lines(text)))[0][0] == label for text, label in some)
    assert right >= 0.95 * len(some), (right, len(some))


def test_likelihoods_add_up_and_the_line_stands_in_the_text():
    said = "AssertionError: Torch not compiled with CUDA enabled"
    text = ["pip list", "torch 2.9.0+cpu", said, ""]
    assert sum(share for _, share in rank(features(text))) == pytest.approx(1.0)
    best = compared(text).causes[0]
    assert (best.cause, best.because) == ("torch-cpu-only", said)


OOM = "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"


def _told(said: str, healthy: float = 0.0, *, stopped: bool = False, **shares: float) -> Snapshot:
    errors = (ErrorText(text=said, where="line 1"),) if said else ()
    causes = tuple(Resemblance(name.replace("_", "-"), share) for name, share in shares.items())
    return Snapshot.of(
        [Errors(errors=errors), Resembles(causes=causes, healthy=healthy, stopped=stopped)]
    )


@pytest.mark.parametrize(("number", "there"), [(31, False), (0, True)])
def test_what_a_finding_clears_is_not_suspected(number, *, there):
    alike = Resembles(causes=(Resemblance("gpu-faulty", 0.9),), healthy=0.0)
    snapshot = Snapshot.of([KernelLog(xids=(Xid(number),)), alike])
    report = report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)
    assert ("gpu-faulty" in [one.id for one in report.suspected]) is there


@pytest.mark.parametrize(
    ("said", "shares", "less"),
    [
        (True, {"disk_full": 0.9}, True),
        (True, {"healthy": 0.9}, True),
        (True, {"disk_full": 0.9, "vram_too_small": 0.02}, False),
        (True, {"disk_full": 0.1}, False),
        (False, {"disk_full": 0.9}, False),
        (True, None, False),
    ],
)
def test_a_finding_that_the_errors_do_not_resemble_is_a_suspicion(said, shares, less):
    """Of an error, or none, and what the text resembles, if that was asked."""
    alone = Snapshot.of([Errors(errors=(ErrorText(text=OOM, where="line 1"),))])
    snapshot = alone if shares is None else _told(OOM if said else "", **shares)
    assert outweighed("vram-too-small", snapshot) is less
    assert not outweighed("a-cause-that-no-text-taught", snapshot)
    report = report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)
    suspected = {one.id: one for one in report.suspected}
    if less:
        assert "vram-too-small" not in {one.id for one in report.findings}
        assert suspected["vram-too-small"].likelihood == OUTWEIGHED
        assert report.verdict == "unknown"


ROWS = json.loads(SHIPPED.read_text(encoding="utf-8"))
FOLDS = f"{int(re.IGNORECASE)} "
read_literals = tool("build_literals").read_literals


def test_words_that_ship_are_those_that_are_read():
    """After another way of reading expressions: python tools/build_literals.py."""
    for key, words in ROWS.items():
        folds = re.IGNORECASE if key.startswith(FOLDS) else 0
        assert read_literals(key.removeprefix(FOLDS), folds) == tuple(words), key
    assert sum(map(bool, ROWS.values())) > 0.7 * len(ROWS) > 400


@given(st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_no_match_of_the_project_s_expressions_is_without_its_words(data):
    key = data.draw(st.sampled_from(sorted(ROWS)))
    source, flags = key.removeprefix(FOLDS), re.IGNORECASE if key.startswith(FOLDS) else 0
    text = data.draw(st.from_regex(re.compile(source, flags)))
    if re.search(source, text, flags):
        held = folded(text) if flags else text
        assert not ROWS[key] or any(word in held for word in ROWS[key]), (key, text)
