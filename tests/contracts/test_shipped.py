"""What the tables know of releases, before anything is installed and once an error names what is lacking."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.contracts.requirements import marker_environment, requirements
from tunedoctor.contracts.shipped import contract_cure, contract_problems, lacking
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Distribution, Errors, ErrorText, Frame, Interpreter, Packages
from tunedoctor.messages.check_facts import CheckFacts
from tunedoctor.model.findings import Finding
from tunedoctor.model.snapshot import Snapshot, call
from tunedoctor.model.versions import within
from tunedoctor.tables.load import table
from tunedoctor.tables.small import good_set

NAMES: dict[str, Any] = table("import_names")["libraries"]
NEWEST = {
    name: releases[-1]
    for name, releases in table("import_contracts")["releases"].items()
    if name != "torchtune"  # its newest release and the newest torchao do not fit
}
PAIRS = json.loads(Path(__file__).with_name("pairs.json").read_bytes())
"""Each imported and seen to stop there."""


def find(versions: dict[str, str]) -> Finding | None:
    check = next(one for one in all_checks() if one.id == "import-contract-clash")
    held = tuple(Distribution(name=n, version=v) for n, v in versions.items())
    facts = Snapshot.of(
        [Packages(distributions=held), Interpreter(executable="python", version="3.12.1")]
    )
    told = call(check.run, facts, facts=CheckFacts(facts, check.id))
    assert told is None or isinstance(told, Finding), told
    return told


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_that_breaks_and_its_cure(name):
    versions = {**NEWEST, **PAIRS[name]}
    broken = [one for one in contract_problems(versions) if one.name == name]
    assert {one.library for one in broken} == {next(iter(PAIRS[name]))}
    cure = contract_cure(broken[0], versions)
    ((changed, spec),) = cure.items()
    assert spec != "*"
    fitting = [r for r in table("import_contracts")["releases"][changed] if within(r, spec)]
    assert fitting
    for release in fitting:
        told = contract_problems({**versions, changed: release})
        assert changed not in {n for one in told for n in (one.library, one.neighbour)}, release


@pytest.mark.parametrize("name", ["cached_download", "HfFolder"])
def test_the_check_tells_it_without_looking(name):
    told = find({**NEWEST, **PAIRS[name]})
    assert name in told.found
    ((wanted,),) = (step.requirements for step in told.cure.installs)
    assert wanted.startswith(f"{next(iter(PAIRS[name]))}>="), wanted
    assert find(NEWEST) is None, "the control: the newest of each fit"


def test_sets_that_trained_break_nothing():
    for one in table("good_sets")["sets"]:
        assert good_set(one["torch"])
        assert contract_problems(one) == (), one


def test_nothing_is_claimed_of_releases_that_are_not_known():
    pair = PAIRS["HybridCache"]
    for version in ("99.0", "0.0.1", "nonsense", ""):
        assert not contract_problems({**pair, "transformers": version})
        assert not contract_problems({**pair, "peft": version})
    assert contract_problems({**pair, "transformers": "5.24.0+local"}), "a label is of the build"


def drawn() -> Iterator[tuple[str, str, str, list[list[int]]]]:
    """Yield library, module, name and the releases that have it, of random rows."""
    chance = random.Random(7)  # noqa: S311  a draw that is the same each time
    for library, known in NAMES.items():
        rows = [(place, *row) for place, some in known["names"].items() for row in some]
        for place, runs, names in chance.sample(rows, min(40, len(rows))):
            yield library, place, chance.choice(names.split(" ")), runs


def test_no_release_is_blamed_for_what_it_has():
    told = 0
    for library, module, name, runs in drawn():
        text = f"ImportError: cannot import name '{name}' from '{module}'"
        if not name:
            text = f"ModuleNotFoundError: No module named '{module}'"
        error = ErrorText(text=text, type="ImportError", frames=(Frame(file="/home/me/train.py"),))
        for place, release in enumerate(NAMES[library]["releases"]):
            found = next(lacking(Errors(errors=(error,)), {library: release}), None)
            has = any(first <= place <= last for first, last in runs)
            assert not (has and found), (text, release)
            if found:
                told += 1
                assert within(release, found.fits) is False, (text, release, found.fits)
    assert told > 1000


@given(st.text(max_size=80))
def test_any_requirement_is_read(line):
    own = Interpreter(executable="", version="3.12.7", platform="linux-x86_64")
    list(requirements([line], marker_environment(own, None)))
