"""doctor set: packages that the index has as source alone, and what it takes for granted of a machine."""

import json
import os

import pytest
from typed import inside as doctor

RTX_4090 = ("--platform", "linux", "--arch", "x86_64", "--python", "3.12", "--gpu", "4090")


@pytest.fixture
def answer_of(index):
    """Return a function that asks doctor set and returns its JSON answer."""
    return lambda *words: json.loads(doctor("set", *words, "--format", "json").stdout)


def test_a_package_without_wheels_is_not_called_missing(answer_of):
    answer = answer_of("flash-attn", *RTX_4090)
    assert answer["verdict"] == "none"
    assert answer["source_only"] == {"flash-attn": "2.8.3"}
    assert "has no flash-attn" not in answer["why"]


def test_the_wheel_of_the_project_is_named_with_the_torch_that_it_fits(answer_of):
    first, *others = answer_of("flash-attn", *RTX_4090)["ways_out"]
    file = "flash_attn-2.8.3.post1+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
    assert "with torch 2.8.0+cu12" in first
    assert first.endswith(file)
    assert any("kernels-community/flash-attn2" in way for way in others)
    assert any("--no-build-isolation" in way for way in others)


def test_no_wheel_is_named_for_a_python_that_has_none(answer_of):
    machine = [word if word != "3.12" else "3.14" for word in RTX_4090]
    ways = answer_of("flash-attn", *machine)["ways_out"]
    assert not any("cxx11abi" in way for way in ways)
    assert any("--no-build-isolation" in way for way in ways)


def test_a_card_that_the_package_does_not_run_on_gets_no_install(answer_of):
    machine = [word if word != "4090" else "7.5" for word in RTX_4090]
    (way,) = answer_of("flash-attn", *machine)["ways_out"]
    assert way.startswith("leave out flash-attn: it needs compute capability 8.0")


def test_the_screen_has_no_words_of_the_resolver(index):
    screen = doctor("set", "flash-attn", *RTX_4090).stdout
    assert "published only as source" in screen
    assert "uv says" not in screen


def test_a_glibc_that_was_named_is_not_assumed(answer_of):
    answer = answer_of("trl", *RTX_4090, "--glibc", "2.28")
    assert not any("glibc" in word for word in answer["assumed"])
    assert answer["platform"] == "x86_64-manylinux_2_28"


def test_the_glibc_of_this_machine_is_assumed_for_its_processor(index):
    own = os.confstr("CS_GNU_LIBC_VERSION").removeprefix("glibc ")
    machine = ("--platform", "linux", "--arch", os.uname().machine, "--python", "3.12")
    screen = doctor("set", "trl", *machine).stdout
    assert f"glibc {own}, like this machine" in screen


def test_a_usual_glibc_is_assumed_for_another_processor(answer_of):
    other = "x86_64" if os.uname().machine == "aarch64" else "aarch64"
    answer = answer_of("trl", "--platform", "linux", "--arch", other, "--python", "3.12")
    assert any("glibc 2.35" in word for word in answer["assumed"])
    assert answer["platform"].endswith("manylinux_2_35")
