"""Goals that collide become one question, by real uv over an index on loopback."""

import pytest
from libraries.environment import packages
from libraries.fixtures import index, resolve, uv_cache
from libraries.server import Index
from museum import snapshot_of
from recorded.answers import Answers

from planning.fakes import ask
from tunedoctor.agreement import Drafted, chosen, drafted
from tunedoctor.engine import diagnose
from tunedoctor.facts import Packages, TorchBuild
from tunedoctor.findings import Check, Finding, advise
from tunedoctor.plan import Draft, Resolve
from tunedoctor.planning.planner import Planned, planned
from tunedoctor.planning.wanted import RefusedError
from tunedoctor.registry import all_checks, all_fixes
from tunedoctor.snapshot import Snapshot

__all__ = ["index", "uv_cache"]

CHECKS, FIXES = all_checks(), all_fixes()
NEW = (
    *("filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.15.0"),
    *("tokenizers==0.23.3", "huggingface-hub==2.4.0", "trl==1.16.0", "datasets==5.2.0"),
    *("pyarrow==25.0.1", "fsspec==2026.2.0"),
)


def having(*pins: str) -> Snapshot:
    """Return a machine without a GPU with these libraries beside its torch."""
    build = TorchBuild(version="2.14.1+cpu", accelerator="cpu", variant="cpu")
    there = packages("torch==2.14.1+cpu", *NEW, *pins)
    return snapshot_of("torch-missing-without-gpu").having(build, there)


def uv() -> Answers:
    return ask().but(resolve=resolve)


def plan(snapshot: Snapshot, *ranges: str, checks: tuple[Check, ...] = CHECKS) -> Planned:
    """Plan for the finding that is there, with cures that each ask for a range besides its own."""
    found = chosen(diagnose(snapshot, CHECKS), ())
    drafts = drafted(found, snapshot, FIXES)
    more = (Draft(steps=(Resolve(requirements=(one,)),), reason="made up") for one in ranges)
    several = (*drafts, *(Drafted(found[0], one, "made-up") for one in more))
    return planned(snapshot, several, checks, uv(), FIXES)


def pins(made: Planned) -> dict[str, str]:
    return {pin.name: pin.version for pin in made.plan.pins}


def test_what_cures_without_the_versions_of_a_cure_is_taken(index: Index) -> None:
    old = having("transformers==5.24.0", "peft==0.17.1")
    assert pins(plan(old)) == {"peft": "0.21.2"}
    assert pins(plan(old, "peft<0.20", "peft!=0.19.1")) == {"peft": "0.21.2"}


def test_where_no_version_is_in_all_ranges_the_constraints_decide(index: Index) -> None:
    old = having("transformers==5.24.0", "peft==0.17.1")
    assert pins(plan(old, "peft<0.18", "peft>=0.19")) == {"peft": "0.21.2"}
    # the control: alone, the range that excludes the cure is asked for and gives way too
    assert pins(plan(old, "peft<0.18")) == {"peft": "0.21.2"}


def test_what_cures_by_less_goes_before_the_versions_of_a_cure(index: Index) -> None:
    old = having("transformers==4.46.3", "peft==0.21.2")
    assert pins(plan(old)) == {"transformers": "5.24.0"}
    assert pins(plan(old, "transformers<5.20", "tokenizers<0.23")) == {"transformers": "5.24.0"}


def no_5_24(packages: Packages) -> Finding | None:
    """Find a release that no table knows to be bad."""
    bad = packages.version("transformers") == "5.24.0"
    return Finding(found="5.24.0", means="m", cure=advise("wait")) if bad else None


BAD = Check(
    id="bad-release",
    title="t",
    severity="error",
    explains=(),
    advice=False,
    run=no_5_24,
    page="",
    origin="",
)


def test_a_set_that_would_bring_a_finding_gives_way_to_the_next(index: Index) -> None:
    old = having("transformers==4.46.3", "peft==0.21.2")
    assert pins(plan(old))["transformers"] == "5.24.0", "the control: without the check it is taken"
    made = plan(old, checks=(*CHECKS, BAD))
    assert pins(made)["transformers"] in ("5.13.1", "4.57.6")
    assert made.simulated is not None
    assert made.simulated.bred == ()


def test_the_resolver_says_itself_why_there_is_none(index: Index) -> None:
    index.releases = tuple(r for r in index.releases if r.name != "peft" or r.version == "0.17.1")
    old = having("transformers==5.24.0", "peft==0.17.1", "unsloth==2026.10.9")
    with pytest.raises(RefusedError) as error:
        plan(old)
    assert "we can conclude" in error.value.details
