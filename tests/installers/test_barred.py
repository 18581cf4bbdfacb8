"""What keeps installers from the network or from every index is heeded by both, and told."""

import sys

import pytest
from libraries.server import Index

from tunedoctor.installers import barred
from tunedoctor.installers.lookup import look_up
from tunedoctor.installers.pip import PIP
from tunedoctor.installers.tool import Job
from tunedoctor.installers.uv import Failed, NoSolution, Question, Solved, resolve
from tunedoctor.installers.uv_pip import UV
from tunedoctor.plan import Install, Pin

PEFT = Install(pins=(Pin(name="peft", version="0.18.1"),))
FILES = {"pip.no-index": "true", "pip.find-links": "/a /b", "uv.offline": "false"}


@pytest.mark.parametrize("name", ["UV_OFFLINE", "DOCTOR_OFFLINE"])
def test_offline_goes_by_the_cache_of_uv_alone(
    index: Index, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    asked = Question(requirements=("peft",), python="3.12", platform="x86_64-manylinux_2_28")
    found = resolve(asked)
    assert isinstance(found, Failed)
    assert (found.why, name in found.text) == ("offline", True)
    assert isinstance(look_up(PEFT, sys.executable, {}), Failed)
    assert index.asked == []
    monkeypatch.setenv(name, "0")
    assert isinstance(resolve(asked), Solved)
    monkeypatch.setenv(name, "1")
    assert isinstance(resolve(asked), Solved), "it was read a moment ago"


@pytest.mark.parametrize("name", ["PIP_NO_INDEX", "UV_NO_INDEX"])
@pytest.mark.parametrize("named", [False, True])
def test_no_index_is_asked_not_even_one_that_is_named(
    index: Index, name: str, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    monkeypatch.setenv(name, "1")
    url = index.url if named else ""
    found = resolve(Question(requirements=("peft",), python="3.12", index_url=url))
    assert isinstance(found, NoSolution)
    pins = Install(pins=PEFT.pins, index=url)
    assert isinstance(look_up(pins, sys.executable, {}), NoSolution)
    job = Job(sys.executable, ".", source=url, network=True)
    for argv in (UV.fetch(job), UV.install(job)):
        assert "--no-index" in argv
        assert url not in argv or not url
    assert index.asked == []


@pytest.mark.parametrize(
    ("name", "value"), [("PIP_FIND_LINKS", "/a /b"), ("UV_FIND_LINKS", "/a,/b")]
)
def test_folders_of_wheels_count_for_both_where_there_is_no_index(name: str, value: str) -> None:
    env = {"PIP_NO_INDEX": "on", name: value}
    job = Job(sys.executable, ".", source="https://index.example/simple", network=True)
    assert UV.environment(env, job)["UV_FIND_LINKS"] == "/a,/b"
    assert PIP.environment(env, job)["PIP_FIND_LINKS"] == "/a /b"
    assert "UV_FIND_LINKS" not in UV.environment({name: value}, job), "the named index alone"


def test_pip_fetches_nothing_where_uv_is_to_be_offline() -> None:
    job = Job(sys.executable, ".", network=True)
    assert PIP.environment({"UV_OFFLINE": "1"}, job)["PIP_NO_INDEX"] == "1"
    assert "PIP_NO_INDEX" not in PIP.environment({"UV_OFFLINE": "no"}, job)


def test_what_files_forbid_holds_and_names_them() -> None:
    places = dict.fromkeys(FILES, "/etc/pip.conf")
    found = barred.stated(FILES, places, {})
    assert found["PIP_NO_INDEX"] == "/etc/pip.conf"
    assert found["PIP_FIND_LINKS"] == "/a /b"
    assert "UV_OFFLINE" not in found
    assert barred.heeded(found)["PIP_NO_INDEX"] == "1"
    assert barred.barred(found) == "PIP_NO_INDEX"
    assert "/etc/pip.conf" in barred.why_barred("PIP_NO_INDEX", "peft was not found", found)
    assert barred.allowed("PIP_NO_INDEX", found) == "# take no-index out of /etc/pip.conf"


def test_a_variable_wins_over_a_file() -> None:
    places = dict.fromkeys(FILES, "/etc/pip.conf")
    assert barred.stated(FILES, places, {"PIP_NO_INDEX": "0"}) == {}
    assert barred.barred({"PIP_NO_INDEX": "0"}) == ""


def test_a_folder_of_wheels_is_no_ban() -> None:
    assert barred.stated({"pip.find-links": "/a"}, {}, {}) == {}
    env = barred.heeded({"PIP_FIND_LINKS": "/a"})
    assert env == {"PIP_FIND_LINKS": "/a"}


def test_what_uv_did_before_it_failed_is_no_reason() -> None:
    said = """Using CPython 3.11.7 interpreter at: env/bin/python
Resolved 1 package in 10ms
  \u00d7 Failed to download `tqdm==4.70.1`
  \u251c\u2500\u25b6 Network connectivity is disabled
  \u2570\u2500\u25b6 Not in the cache: https://index.example/tqdm
"""
    assert UV.why(said) == (
        "Failed to download `tqdm==4.70.1`; Network connectivity is disabled; "
        "Not in the cache: https://index.example/tqdm"
    )
    assert UV.why("") == "uv said nothing"
