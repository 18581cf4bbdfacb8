"""What keeps installers from the network or from every index is heeded by both, and told."""

import sys
from pathlib import Path

import pytest
from libraries.server import Index

from tunedoctor.installers import barred
from tunedoctor.installers.lookup import look_up
from tunedoctor.installers.pip import PIP
from tunedoctor.installers.sources import of_variables, sources
from tunedoctor.installers.tool import Job
from tunedoctor.installers.uv import Failed, NoSolution, Question, Solved, resolve
from tunedoctor.installers.uv_pip import UV
from tunedoctor.plan import Install, Pin
from tunedoctor.probes.installer_config import in_pip_conf, in_uv_toml

PEFT = Install(pins=(Pin(name="peft", version="0.18.1"),))


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


@pytest.mark.parametrize("name", ["PIP_FIND_LINKS", "UV_FIND_LINKS"])
def test_what_one_is_told_is_said_to_both(name: str) -> None:
    between = " " if name.startswith("PIP") else ","
    env = {
        name: f"/a{between}/b",
        "PIP_EXTRA_INDEX_URL": "https://me:pw@a.test/simple",
        "UV_DEFAULT_INDEX": "https://b.test/simple",
        "PIP_TRUSTED_HOST": "a.test",
    }
    job = Job(sys.executable, ".", source="https://torch.test/whl/cpu", network=True)
    uv, pip = UV.environment(env, job), PIP.environment(env, job)
    assert (uv["UV_FIND_LINKS"], pip["PIP_FIND_LINKS"]) == (
        "file:///a,file:///b",
        "file:///a file:///b",
    )
    extra = "https://torch.test/whl/cpu https://me:pw@a.test/simple"
    assert uv["UV_INDEX"] == pip["PIP_EXTRA_INDEX_URL"] == extra
    assert uv["UV_DEFAULT_INDEX"] == pip["PIP_INDEX_URL"] == "https://b.test/simple"
    assert uv["UV_INSECURE_HOST"] == "a.test"
    assert "pw" not in " ".join([*UV.fetch(job), *PIP.fetch(job)])


def test_pip_fetches_nothing_where_uv_is_to_be_offline() -> None:
    job = Job(sys.executable, ".", network=True)
    assert PIP.environment({"UV_OFFLINE": "1"}, job)["PIP_NO_INDEX"] == "1"
    assert "PIP_NO_INDEX" not in PIP.environment({"UV_OFFLINE": "no"}, job)


def test_a_file_that_forbids_is_named_to_whoever_comes_after() -> None:
    file = Path("/etc/pip.conf")
    said = sources(in_pip_conf("[global]\nno-index = true\n", str(file)), {}).said({})
    assert (barred.barred(said), of_variables(said).no_index) == ("UV_NO_INDEX", str(file))
    assert str(file) in barred.why_barred("UV_NO_INDEX", "peft was not found", said)
    assert barred.allowed("UV_NO_INDEX", said) == "# take no-index out of /etc/pip.conf"


def test_lists_of_uv_join_and_the_nearest_comes_first() -> None:
    near = '[[index]]\nname = "n"\nurl = "https://n.test"\n[[index]]\nurl = "https://x.test"\nexplicit = true\n'
    far = '[[index]]\nurl = "https://far.test"\n[[index]]\nurl = "https://d.test"\ndefault = true\n'
    known = sources([*in_uv_toml(far, "/far/uv.toml"), *in_uv_toml(near, "/near/uv.toml")], {})
    assert [(one.name, one.url) for one in known.extra] == [
        ("n", "https://n.test"),
        ("", "https://far.test"),
    ]
    assert known.index is not None
    assert (known.index.url, known.index.place) == ("https://d.test", "/far/uv.toml")


def test_what_was_said_reads_as_it_was() -> None:
    told = {
        "UV_INDEX": "mine=https://a.test/simple",
        "PIP_FIND_LINKS": "/a",
        "UV_CONSTRAINT": "/c.txt",
        "PIP_PROXY": "http://p:1",
    }
    once = of_variables(told).with_index("https://t.test/cpu").said(told)
    assert of_variables(once).said(once) == once
    assert once["HTTPS_PROXY"] == "http://p:1"


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
