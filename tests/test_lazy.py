"""Expressions compiled at their first use, and the words that every match of one holds."""

import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunedoctor.model.lazy import SHIPPED, folded, read_literals

ROWS = json.loads(SHIPPED.read_text(encoding="utf-8"))
FOLDS = f"{int(re.IGNORECASE)} "


def test_words_that_ship_are_those_that_are_read():
    """After another way of reading expressions: python tools/build_literals.py."""
    for key, words in ROWS.items():
        folds = re.IGNORECASE if key.startswith(FOLDS) else 0
        assert read_literals(key.removeprefix(FOLDS), folds) == tuple(words), key
    assert sum(map(bool, ROWS.values())) > 0.7 * len(ROWS) > 400


@given(st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_no_match_of_the_project_s_expressions_is_without_its_words(data):
    key = data.draw(st.sampled_from(sorted(ROWS)))
    source, flags = key.removeprefix(FOLDS), re.IGNORECASE if key.startswith(FOLDS) else 0
    text = data.draw(st.from_regex(re.compile(source, flags)))
    if re.search(source, text, flags):
        held = folded(text) if flags else text
        assert not ROWS[key] or any(word in held for word in ROWS[key]), (key, text)
