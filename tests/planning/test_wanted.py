"""What a set is asked to hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.environment import packages

from tunedoctor.facts import Distribution, Packages
from tunedoctor.planning.make import question_for
from tunedoctor.planning.wanted import CORE, ESSENTIAL, RefusedError, asked_for, floors, wanted
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.machine import Machine


def test_words_become_names_and_versions() -> None:
    assert asked_for(["trl", "Huggingface_Hub <2", "peft>=0.18,!=0.19"]) == {
        "trl": "",
        "huggingface-hub": "<2",
        "peft": "!=0.19,>=0.18",
    }
    assert asked_for(["trl>1", "trl<2"]) == {"trl": ">1,<2"}


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


def test_an_environment_that_trains_gets_no_more_than_it_needs() -> None:
    want = wanted(
        {}, Snapshot({}).having(packages("torch==2.14.1+cu130", "peft==0.21.2", "rich==15.0"))
    )
    assert not want.fresh
    assert set(want.roots) == {*ESSENTIAL, "peft"}
    assert want.installed["torch"] == "2.14.1"


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


def test_floors_are_those_of_the_oldest_set_that_trained() -> None:
    assert floors()["datasets"] == "3.6.0"
    assert "torch" not in floors()


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine(platform="linux", arch="x86_64", python="3.12"), "x86_64-manylinux_2_28"),
        (Machine(platform="wsl", arch="x86_64", python="3.12", glibc="2.35"), "x86_64-manylinux_2_35"),
        (Machine(platform="linux", arch="aarch64", python="3.12", glibc="2.29"), "aarch64-manylinux_2_28"),
        (Machine(platform="linux", arch="x86_64", python="3.12", glibc="2.99"), "x86_64-manylinux_2_40"),
        (Machine(platform="linux", arch="x86_64", python="3.12", glibc="2.5"), "x86_64-manylinux_2_17"),
        (Machine(platform="linux", arch="x86_64", python="3.12", libc="musl"), "x86_64-unknown-linux-musl"),
        (Machine(platform="windows", arch="AMD64", python="3.12"), "x86_64-pc-windows-msvc"),
        (Machine(platform="macos", arch="arm64", python="3.12"), "aarch64-apple-darwin"),
    ],
)  # fmt: skip
def test_platforms_as_uv_names_them(machine: Machine, name: str) -> None:
    assert question_for(machine).platform == name


def test_pythons_and_macos_as_uv_takes_them() -> None:
    mac = Machine(platform="macos", arch="arm64", python="3.13t", macos="15.1")
    assert (question_for(mac).python, question_for(mac).macos) == ("3.13", "15.1")
    assert question_for(Machine(platform="linux", arch="x86_64", python="3.12")).macos == ""
