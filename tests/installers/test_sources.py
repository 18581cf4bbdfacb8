"""The user's sources: read once, said to both installers alike, and what they forbid heeded by both."""

import os
import sys

import pytest
from libraries.fixtures import resolve
from libraries.server import Index

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.tool import Job, Tool
from tunedoctor.installers.uv import Failed, NoSolution, Question, Solved
from tunedoctor.model.plan import Install, Pin

PEFT = Install(pins=(Pin(name="peft", version="0.18.1"),))
NO_FILES = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}


def of(**variables: str) -> Sources:
    return own({**variables, **NO_FILES})


@pytest.mark.parametrize("name", ["UV_OFFLINE", "DOCTOR_OFFLINE"])
def test_offline_goes_by_the_cache_of_uv_alone(
    index: Index, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    asked = Question(requirements=("peft",), python="3.12", platform="x86_64-manylinux_2_28")
    found = resolve(asked)
    assert isinstance(found, Failed)
    assert (found.why, name in found.text) == ("offline", True)
    assert isinstance(Asking(own(os.environ)).look_up(PEFT, sys.executable, {}), Failed)
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
    pins, known = Install(pins=PEFT.pins, index=url), own(os.environ)
    assert isinstance(Asking(known).look_up(pins, sys.executable, {}), NoSolution)
    job, uv, pip = Job(sys.executable, ".", source=url), Tool("uv", known), Tool("pip", known)
    for argv in (uv.fetch(job), uv.install(job), pip.fetch(job), pip.install(job)):
        assert "--no-index" in argv
        assert url not in argv or not url
    assert index.asked == []


@pytest.mark.parametrize("name", ["PIP_FIND_LINKS", "UV_FIND_LINKS"])
def test_what_one_is_told_is_said_to_both(name: str) -> None:
    between = " " if name.startswith("PIP") else ","
    known = of(
        **{name: f"/a{between}/b"},
        PIP_EXTRA_INDEX_URL="https://me:pw@a.test/simple",
        UV_DEFAULT_INDEX="https://b.test/simple",
        PIP_TRUSTED_HOST="a.test",
        PIP_PROXY="http://p:1",
    )
    job = Job(sys.executable, ".", source="https://torch.test/whl/cpu")
    for tool in (Tool("uv", known), Tool("pip", known)):
        env = tool.environment({}, job, network=True)
        assert (env["UV_FIND_LINKS"], env["PIP_FIND_LINKS"]) == (
            "file:///a,file:///b",
            "file:///a file:///b",
        )
        extra = "https://torch.test/whl/cpu https://me:pw@a.test/simple"
        assert env["UV_INDEX"] == env["PIP_EXTRA_INDEX_URL"] == extra
        assert env["UV_DEFAULT_INDEX"] == env["PIP_INDEX_URL"] == "https://b.test/simple"
        assert (env["UV_INSECURE_HOST"], env["HTTPS_PROXY"]) == ("a.test", "http://p:1")
        assert "pw" not in " ".join(tool.fetch(job))
    without = Tool("pip", known).environment({}, job, network=False)
    assert not {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"} & {*without}
