"""Each sentence of wheel_words.json is said somewhere, and every key that is said has a sentence."""

import re
from pathlib import Path

from tunedoctor import wheels
from tunedoctor.tables.load import table

SOURCE = "".join(one.read_text("utf-8") for one in Path(wheels.__path__[0]).glob("*.py"))
MADE = re.compile(
    r":(?:upgrade_driver|change_python|upgrade_os|fix_requirement|use_\w+_torch)|\w+:(?:broken|wsl|none)"
)
"""Keys whose end is put together: an action, or a case."""


def test_every_sentence_is_said() -> None:
    for key in table("wheel_words")["sentences"]:
        assert f'"{key}"' in SOURCE or MADE.fullmatch(key), key


def test_every_code_that_is_said_has_a_sentence() -> None:
    said = set(re.findall(r'\bsay\(\s*"([^"]+)"', SOURCE))
    assert said <= set(table("wheel_words")["sentences"])
