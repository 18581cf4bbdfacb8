"""A pre-release is taken only if one is installed, asked for or required by another package."""

import os

import pytest
from libraries.catalogue import Release
from libraries.server import Index

from tunedoctor.installers.sources import own as sources
from tunedoctor.installers.uv import NoSolution, ResolveQuestion, Solved, resolve

RELEASES = (
    Release("tensors", "0.8.0"),
    Release("tensors", "0.9.0rc1"),
    Release("library", "1.0", requires=("tensors",)),
    Release("capped", "1.0", requires=("tensors<1.0.dev0",)),
    Release("eager", "1.0", requires=("onlybeta==0.51b0",)),
    Release("onlybeta", "0.51b0"),
)


@pytest.fixture
def answer(index, monkeypatch):
    """Ask the resolver over these releases; return name -> version, or why there is no solution."""
    own = Index(RELEASES)
    monkeypatch.setenv("UV_DEFAULT_INDEX", own.url)

    def asked(*requirements, **more):
        found = resolve(ResolveQuestion(requirements, **more), sources(os.environ))
        return {p.name: p.version for p in found.pins} if isinstance(found, Solved) else found

    yield asked
    own.close()


def test_a_range_without_a_final_release_has_no_solution(answer):
    assert isinstance(answer("tensors>0.8.0"), NoSolution)


def test_an_upper_bound_with_dev_asks_for_no_prerelease(answer):
    assert answer("tensors<1.0.dev0")["tensors"] == "0.8.0"
    assert answer("capped")["tensors"] == "0.8.0"
    assert answer("library", constraints=("tensors<1.0.dev0",))["tensors"] == "0.8.0"


def test_what_is_asked_for_is_taken(answer):
    assert answer("tensors==0.9.0rc1")["tensors"] == "0.9.0rc1"
    assert answer("tensors>=0.9.0rc1")["tensors"] == "0.9.0rc1"
    assert answer("tensors==0.9.0rc1", locked=True)["tensors"] == "0.9.0rc1"


def test_what_is_installed_stays(answer):
    assert answer("library", preferred=("tensors==0.9.0rc1",))["tensors"] == "0.9.0rc1"
    assert answer("library", preferred=("tensors==0.8.0",))["tensors"] == "0.8.0"


def test_what_another_package_requires_is_taken(answer):
    assert answer("eager")["onlybeta"] == "0.51b0"
