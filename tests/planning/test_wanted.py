"""What a set is asked to hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.environment import packages

from tunedoctor.facts import Distribution, Packages
from tunedoctor.planning.wanted import CORE, RefusedError, asked_for, wanted
from tunedoctor.snapshot import Snapshot


@pytest.mark.parametrize(
    "word", ["-e .", "trl @ https://x/y.whl", "trl[peft]", "", "trl; python_version>'3'"]
)
def test_what_is_no_name_with_versions_is_refused_by_name(word: str) -> None:
    with pytest.raises(RefusedError) as told:
        asked_for([word])
    assert repr(word) in str(told.value)


@given(st.text())
def test_any_word_is_read_or_refused(word: str) -> None:
    try:
        found = asked_for([word])
    except RefusedError:
        return
    assert len(found) == 1


def test_an_empty_environment_gets_the_core() -> None:
    want = wanted(
        asked_for(["unsloth"]), Snapshot({}).having(packages("pip==25.0", "numpy==2.2.6"))
    )
    assert want.fresh
    assert set(want.roots) == {*CORE, "unsloth"}
    assert want.installed["numpy"] == "2.2.6"


def test_editable_installs_stand_outside_and_their_needs_hold() -> None:
    there = packages("torch==2.14.1", "huggingface-hub==1.33.0")
    mine = Distribution(
        name="peft", version="0.22.0.dev0", requires=("huggingface-hub<2",), editable=True
    )
    want = wanted({}, Snapshot({}).having(Packages(distributions=(*there.distributions, mine))))
    assert "peft" not in want.roots
    assert want.limits == ("huggingface-hub<2",)


def test_what_does_not_hold_today_is_not_asked_for() -> None:
    there = packages("torch==2.14.1", "huggingface-hub==1.33.0")
    old = Distribution(name="webui", version="1.0", requires=("huggingface-hub<1",))
    snapshot = Snapshot({}).having(Packages(distributions=(*there.distributions, old)))
    assert wanted({}, snapshot).outside["webui"] == ()
