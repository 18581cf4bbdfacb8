"""Every machine of the museum gets its diagnosis."""

import json

import pytest
from museum import MACHINES, diagnosis_of, expectations, facts_of, load, names, snapshot_of

from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import KINDS, Unknown
from tunedoctor.model.snapshot import parameters_of

CHECKS = all_checks()


@pytest.mark.parametrize("name", names())
def test_diagnosis(name):
    """The causes are exactly those expected; the rest of the expectation holds too."""
    diagnosis = diagnosis_of(name)
    unmet = [what for what, holds in expectations(name, diagnosis).items() if not holds]
    assert not unmet, [(c.check.id, c.severity) for c in diagnosis.causes]


def test_no_healthy_machine_is_accused_as_a_node() -> None:
    """By `--profile node`, which has no environment that would say what is meant."""
    criteria, accused = Criteria(profile="node"), dict[str, list[str]]()
    for name in names():
        if name.startswith("healthy-"):
            report = judge(snapshot_of(name), criteria, began=0.0)
            if errors := [one.id for one in report.findings if one.severity == "error"]:
                accused[name] = errors
    # nobody says there that the container is to train on processors
    assert accused == {"healthy-cpu-container-on-gpu-host": ["container-gpu-not-passed"]}


def test_every_check_is_shown_found():
    """Some machine of the museum has each finding, as a cause or as a symptom."""
    shown: set[str] = set()
    for name in names():
        expect = load(name)["expect"]
        shown.update(expect["causes"], expect.get("notes", ()))
        shown.update(*expect.get("symptoms", {}).values())
    assert {check.id for check in CHECKS if not check.by_words} - shown == set()


def test_every_check_can_not_tell():
    """With a fact that it needs unknown, a check of Linux neither passes nor finds."""
    healthy, tried = snapshot_of("healthy-rtx4090"), set()
    on_linux = [one for one in CHECKS if not one.systems or "linux" in one.systems]
    for check in (one for one in on_linux if not one.by_words):
        needs = [w.kind for w in parameters_of(check.run).values() if not w.unknown]
        for kind in needs:
            there = healthy.having(**{kind.__name__: Unknown(why="made unknown")})
            if all(other is kind or there.find(other) is not None for other in needs):
                assert check.id in diagnose(there, [check]).unknown
                tried.add(check.id)
    assert len(tried) > 15  # the others take every answer


def test_each_machine_has_one_line_in_its_place_of_kinds_that_there_are():
    lines = [json.loads(line)["name"] for line in MACHINES.read_text("utf-8").splitlines()]
    assert lines == sorted(set(lines))
    assert {kind for name in names() for kind in facts_of(name)} <= {k.__name__ for k in KINDS}
