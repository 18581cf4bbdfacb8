"""uv, asked for real over an index on loopback; the user's sources, said to both installers and heeded by both."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.fixtures import resolve
from rows import words

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.tool import Job, Tool
from tunedoctor.installers.uv import Failed, NoSolution, ResolveQuestion, Solved
from tunedoctor.installers.uv import resolve as asked
from tunedoctor.model.plan import Install, Pin
from tunedoctor.planning.conflict import LONGEST, explain

ASK = ResolveQuestion(
    requirements=("transformers",), python="3.12", platform="x86_64-manylinux_2_28"
)
PEFT = Install(pins=(Pin(name="peft", version="0.18.1"),))


def test_a_solution_has_pins_and_who_wants_them(index):
    answer = resolve(ASK)
    assert isinstance(answer, Solved)
    pins = {pin.name: pin for pin in answer.pins}
    assert pins["transformers"] == Pin(name="transformers", version="5.24.0")
    assert pins["tokenizers"] == Pin(name="tokenizers", version="0.23.3", via=("transformers",))
    assert set(pins["huggingface-hub"].via) == {"tokenizers", "transformers"}


PAIR = ("transformers==4.57.6", "huggingface-hub==1.5.0")


@pytest.mark.parametrize(("question", "word"), [
    (ASK._replace(constraints=PAIR), "huggingface-hub"),
    (ASK._replace(requirements=("no-such-library",)), "no-such-library"),
    (ASK._replace(requirements=("bitsandbytes",), platform="aarch64-apple-darwin", macos="14.0"), "no wheels"),
])  # fmt: skip
def test_no_solution_comes_with_the_words_of_uv(index, question, word):
    answer = resolve(question)
    assert isinstance(answer, NoSolution)
    assert word in answer.text
    assert "warning" not in answer.text


@pytest.mark.parametrize(("ends", "why"), [("close", "network"), ("stall", "time")])
def test_an_index_that_does_not_answer_is_no_answer(index, ends, why):
    index.close() if ends == "close" else index.stalled.set()
    answer = asked(ASK, own(os.environ), seconds=1.0 if ends == "stall" else 60.0)
    assert isinstance(answer, Failed)
    assert answer.why == why


@pytest.mark.parametrize("uv", ["", "gone", sys.executable])
def test_a_program_that_is_not_uv_is_no_answer(uv):
    answer = asked(ASK, Sources(), uv=uv)
    assert isinstance(answer, Failed)
    assert answer.why == ("uv" if uv else "no uv")


_WORDS = st.sampled_from(words("uv"))


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_any_text_gives_one_short_explanation(text):
    answer = NoSolution(text)
    explanation = explain(answer, {})
    assert 0 < len(explanation) <= LONGEST
    assert "\n" not in explanation
    assert "we can conclude" not in explanation
    assert all(name == name.lower() for name in answer.lacked)


@pytest.mark.parametrize("name", ["UV_OFFLINE", "DOCTOR_OFFLINE"])
def test_offline_goes_by_the_cache_of_uv_alone(index, name, monkeypatch):
    monkeypatch.setenv(name, "true")
    asked = ResolveQuestion(requirements=("peft",), python="3.12", platform="x86_64-manylinux_2_28")
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
def test_no_index_is_asked_not_even_one_that_is_named(index, name, monkeypatch, *, named):
    monkeypatch.setenv(name, "1")
    url = index.url if named else ""
    found = resolve(ResolveQuestion(requirements=("peft",), python="3.12", index_url=url))
    assert isinstance(found, NoSolution)
    pins, known = Install(pins=PEFT.pins, index=url), own(os.environ)
    assert isinstance(Asking(known).look_up(pins, sys.executable, {}), NoSolution)
    job, uv, pip = Job(sys.executable, ".", source=url), Tool("uv", known), Tool("pip", known)
    for argv in (uv.fetch(job), uv.install(job), pip.fetch(job), pip.install(job)):
        assert "--no-index" in argv
        assert url not in argv or not url
    assert index.asked == []


@pytest.mark.parametrize("name", ["PIP_FIND_LINKS", "UV_FIND_LINKS"])
def test_what_one_is_told_is_said_to_both(name):
    between = " " if name.startswith("PIP") else ","
    told = {name: f"/a{between}/b", "PIP_EXTRA_INDEX_URL": "https://me:pw@a.test/simple",
        "UV_DEFAULT_INDEX": "https://b.test/simple", "PIP_TRUSTED_HOST": "a.test",
        "PIP_PROXY": "http://p:1"}  # fmt: skip
    known = own({**told, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"})
    job = Job(sys.executable, ".", source="https://torch.test/whl/cpu")
    for tool in (Tool("uv", known), Tool("pip", known)):
        env = tool.environment({}, job, network=True)
        links = (env["UV_FIND_LINKS"], env["PIP_FIND_LINKS"])
        assert links == ("file:///a,file:///b", "file:///a file:///b")
        extra = "https://torch.test/whl/cpu https://me:pw@a.test/simple"
        assert env["UV_INDEX"] == env["PIP_EXTRA_INDEX_URL"] == extra
        assert env["UV_DEFAULT_INDEX"] == env["PIP_INDEX_URL"] == "https://b.test/simple"
        assert (env["UV_INSECURE_HOST"], env["HTTPS_PROXY"]) == ("a.test", "http://p:1")
        assert "pw" not in " ".join(tool.fetch(job))
    without = Tool("pip", known).environment({}, job, network=False)
    assert not {"PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"} & {*without}
