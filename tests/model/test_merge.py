"""Plans of several fixes become one plan."""

import re

import pytest

from tunedoctor.model.plan import (
    Install,
    NewEnvironment,
    Pin,
    Plan,
    PlanError,
    Remove,
    SetEnv,
    Tell,
    WriteFile,
    merge,
)


@pytest.mark.parametrize(
    ("step", "other_step", "message"),
    [
        (
            Install(pins=(Pin(name="peft", version="1"),)),
            Install(pins=(Pin(name="peft", version="2"),)),
            "peft 1 and peft 2",
        ),
        (
            Install(pins=(Pin(name="torch", version="2.9.1"),)),
            Install(
                pins=(Pin(name="torch", version="2.9.1"),),
                index="https://download.pytorch.org/whl/cu126",
            ),
            "torch 2.9.1 and torch 2.9.1 from https://download.pytorch.org/whl/cu126",
        ),
        (
            Remove(names=("peft",)),
            Install(pins=(Pin(name="peft", version="2"),)),
            "another removes peft",
        ),
        (SetEnv(name="A", value="1"), SetEnv(name="A", value=None), "two values for A"),
        (WriteFile(path="x", text="1"), WriteFile(path="x", text="2"), "the file x"),
        (NewEnvironment(path="/a"), NewEnvironment(path="/b"), "the new environment"),
    ],
)
def test_plans_that_contradict_each_other_are_refused(step, other_step, message):
    with pytest.raises(PlanError, match=re.escape(message)):
        merge((Plan(steps=(step,)), Plan(steps=(other_step,))))


def test_an_index_of_one_plan_is_kept():
    result = merge(
        (
            Plan(steps=(Install(pins=(Pin(name="numpy", version="2"),)),)),
            Plan(
                steps=(
                    Install(
                        pins=(Pin(name="torch", version="2.9.1"), Pin(name="numpy", version="2")),
                        index="https://download.pytorch.org/whl/cu126",
                    ),
                )
            ),
        )
    )
    assert len(result.steps) == 1
    assert result.steps[0].index == "https://download.pytorch.org/whl/cu126"
    assert [item.name for item in result.steps[0].pins] == ["torch", "numpy"]


def test_equal_installs_become_one():
    result = merge(
        (
            Plan(steps=(Install(pins=(Pin(name="peft", version="1"),)),)),
            Plan(steps=(Install(pins=(Pin(name="peft", version="1", hashes=("sha256:a",)),)),)),
            Plan(
                steps=(
                    Install(pins=(Pin(name="peft", version="1"), Pin(name="trl", version="1"))),
                    Tell(command="x"),
                )
            ),
        )
    )
    assert len(result.steps) == 2
    assert len(result.steps[0].pins) == 2
    assert result.steps[0].pins[0].name == "peft"
    assert result.steps[0].pins[0].hashes == ("sha256:a",)
    assert result.steps[0].pins[1].name == "trl"
    assert result.steps[1] == Tell(command="x")
