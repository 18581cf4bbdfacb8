"""Every recorded case: a machine, and the build that a person chose for it by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_from

CASES = Path(__file__).parents[3] / "shared/cases/wheels.jsonl"
LINES = CASES.read_text(encoding="utf-8").splitlines() if CASES.is_file() else []
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.skipif(not CASES.is_file(), reason=f"{CASES} is not here")
def test_there_are_cases() -> None:
    assert len(ROWS) >= 70


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_case(row: dict[str, Any]) -> None:
    wanted = row["expected"]
    choice = choose(machine_from(row))
    assert choice.action == wanted["action"], choice.reasons
    build = str(choice.build) if choice.build else None
    if wanted.get("acceptable"):
        assert build in wanted["acceptable"], choice.reasons
    elif wanted.get("torch_version") is None:
        assert build is None
    assert build not in wanted.get("forbidden", ())
    assert set(wanted.get("must_say", ())) <= set(choice.says)
    # what the case names as the next best is among the answers, or the choice itself
    named = {text.split(maxsplit=1)[0] for text in wanted.get("alternatives", ())}
    assert not named or named & {build, *(str(one.build) for one in choice.alternatives)}
    with_it = (choice.torchvision, choice.torchaudio)
    if choice.build is None:
        assert (*with_it, choice.index) == ("", "", "")
        return
    assert with_it == (wanted["torchvision"], wanted["torchaudio"])
    # the index belongs to the build that was taken, which is not always the preferred of the acceptable ones
    own = wanted["index"] if build == wanted["preferred"] else f"/{choice.build.variant}"
    assert choice.index.endswith(own)
