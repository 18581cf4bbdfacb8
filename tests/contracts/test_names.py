"""An error that names what a library lacks is answered with the releases that have it, whatever the name is."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tunedoctor.contracts.shipped import lacking
from tunedoctor.facts import Errors, ErrorText, Frame
from tunedoctor.model.versions import within
from tunedoctor.tables.load import table

LIBRARIES: dict[str, Any] = table("import_names")["libraries"]
SITE = "/opt/venv/lib/python3.11/site-packages"


def triage(text: str) -> list[dict[str, Any]]:
    """Return the findings of a pasted text."""
    argv = [sys.executable, "-m", "tunedoctor", "triage", "-", "--format", "json"]
    ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(ended.stdout)["findings"]
    return found


def traceback(file: str, line: str, error: str) -> str:
    return f'Traceback (most recent call last):\n  File "{file}", line 7, in <module>\n    {line}\n{error}\n'


OWN, LIBRARY = "/home/me/train.py", f"{SITE}/somelib/core.py"
HUB = f"'get_token_permission' from 'huggingface_hub' ({SITE}/huggingface_hub/__init__.py)"
PEFT = f"'MissConfig' from 'peft' ({SITE}/peft/__init__.py)"


@pytest.mark.parametrize(
    ("file", "error", "cure"),
    [
        # given up, in one's own script and in a library's code; not there yet; a module that is gone
        (OWN, f"ImportError: cannot import name {HUB}", "huggingface-hub>=0.15"),
        (LIBRARY, f"ImportError: cannot import name {HUB}", "somelib"),
        (OWN, f"ImportError: cannot import name {PEFT}", "peft>="),
        (OWN, "ModuleNotFoundError: No module named 'peft.tuners.bone'", "peft"),
        # no release ever had it; a circle of imports; a file of the user's in the way
        (OWN, f"ImportError: cannot import name {PEFT.replace('MissConfig', 'Nonsense')}", ""),
        (OWN, "ImportError: cannot import name 'MissConfig' from partially initialized module 'peft' (circular import)", ""),
        (OWN, "ImportError: cannot import name 'MissConfig' from 'peft' (/home/me/peft.py)", ""),
    ],
)  # fmt: skip
def test_the_releases_that_have_it_are_told(file: str, error: str, cure: str) -> None:
    found = triage(traceback(file, "from peft import MissConfig", error))
    clash = "library-version-clash"
    if cure:
        assert found[0]["id"] == clash
        assert cure in found[0]["cure"]["command"]
    else:
        assert clash not in [one["id"] for one in found if one["severity"] == "error"]


def drawn() -> Iterator[tuple[str, str, str, list[list[int]]]]:
    """Yield library, module, name and the releases that have it, of random rows."""
    chance = random.Random(7)  # noqa: S311  a draw that is the same each time
    for library, known in LIBRARIES.items():
        rows = [(place, *row) for place, some in known["names"].items() for row in some]
        for place, runs, names in chance.sample(rows, min(40, len(rows))):
            yield library, place, chance.choice(names.split(" ")), runs


def test_no_release_is_blamed_for_what_it_has() -> None:
    told = 0
    for library, module, name, runs in drawn():
        text = f"ImportError: cannot import name '{name}' from '{module}'"
        if not name:
            text = f"ModuleNotFoundError: No module named '{module}'"
        error = ErrorText(text=text, type="ImportError", frames=(Frame(file=OWN),))
        for place, release in enumerate(LIBRARIES[library]["releases"]):
            found = next(lacking(Errors(errors=(error,)), {library: release}), None)
            has = any(first <= place <= last for first, last in runs)
            assert not (has and found), (text, release)
            if found:
                told += 1
                assert within(release, found.fits) is False, (text, release, found.fits)
    assert told > 1000
