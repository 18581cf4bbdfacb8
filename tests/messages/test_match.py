"""The text of a message with slots matches what programs print; unsound texts are refused."""

import re

import pytest

from tunedoctor.messages.match import RowError, expression, flat, key_of


@pytest.mark.parametrize(
    ("message", "printed", "slots"),
    [
        (
            "driver is too old (found version {v:int})",
            "The driver is too\n  old (found VERSION 11040).",
            {"v": "11040"},
        ),
        (
            "No module named '{module:module}'",
            "no module named 'Peft.tuners'",
            {"module": "peft.tuners"},
        ),
        (
            "cannot find {what:MSVC|the Windows SDK}{s:s|} here",
            "Cannot find the Windows SDK here",
            {"what": "the windows sdk", "s": ""},
        ),
        ("a dict {{k: {v}} is wrong", "A dict {k: v1} is wrong", {"v": "v1"}),
        ("İstanbul is {x} now", "İSTANBUL is up now", {"x": "up"}),
    ],
)
def test_slots_give_the_words_in_lower_case(message, printed, slots):
    assert expression(message).search(flat(printed)).groupdict() == slots


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a:path}{b:text} stands here", "next to each other"),
        ("something {x:float} happened", "not a type of slot"),
        ("something {x} happened {x}", "one name"),
        ("something {a:text} happens {b:text} or {c:path} or {d:text}", "more than"),
    ],
)
def test_an_unsound_text_is_refused(text, message):
    with pytest.raises(RowError, match=re.escape(message)):
        expression(text)


def test_a_text_of_slots_alone_is_refused():
    with pytest.raises(RowError, match="fewer than"):
        key_of("{x} is {y}")
