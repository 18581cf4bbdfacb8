"""An error text leads to the checks that it can mean."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.registry import all_checks
from tunedoctor.seen import meaning, seen_as
from tunedoctor.tables.symptoms import symptoms

CHECKS = all_checks()
LINES = [(one.id, line) for one in CHECKS for line in seen_as(one)]


def test_every_line_of_every_page_leads_to_its_check_among_others() -> None:
    lost = []
    for id_, line in LINES:
        found = [one.check.id for one in meaning(line, CHECKS).candidates]
        if id_ not in found:
            lost.append((id_, line, found))
    assert len(lost) <= len(LINES) // 5, (
        lost
    )  # a judgement can know better than the page: one line, several causes


def test_rows_name_checks_compile_and_have_sources() -> None:
    ids = {one.id for one in CHECKS}
    for row in symptoms():
        re.compile(row.pattern)
        assert row.checks
        assert set(row.checks) <= ids, row
        assert all(row.source)


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("libcudart.so.13: Kann die Shared-Object-Datei nicht öffnen", "cuda-library-missing"),
        (
            "/opt/app/x.py:12: Error 804: forward compatibility was attempted",
            "cuda-compat-unsupported-gpu",
        ),
        ("exec nvidia-container-runtime-hook: introuvable dans $PATH", "container-toolkit-missing"),
        ("/usr/bin/ld: kann -lcuda nicht finden: cannot find -lcuda", "compiler-missing"),
    ],
)
def test_numbers_and_constants_are_enough(text: str, id_: str) -> None:
    assert id_ in [one.check.id for one in meaning(text, CHECKS).candidates]


def test_a_text_with_many_causes_decides_nothing() -> None:
    found = meaning("RuntimeError: No CUDA GPUs are available", CHECKS)
    assert not found.decided
    assert len(found.candidates) > 1


def test_an_unverified_row_never_decides_alone() -> None:
    rows = [row for row in symptoms() if not row.verified and len(row.checks) == 1]
    assert rows
    for row in rows:
        text = re.sub(r"\\(.)", r"\1", row.pattern.split("|")[0])
        found = meaning(text, CHECKS)
        by_table = [one for one in found.candidates if one.by == "table" and not one.verified]
        assert not (found.decided and by_table), row


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    found = meaning(text, CHECKS)
    assert found.candidates or not found.decided


@pytest.mark.parametrize(
    "text", ["", "hello world", "it does not work, please help", "loss=0.123 step 17/500"]
)
def test_prose_is_like_nothing(text: str) -> None:
    assert not meaning(text, CHECKS).candidates


def test_a_part_of_a_line_is_like_it() -> None:
    found = meaning("no kernel image is available", all_checks())
    assert "gpu-too-new-for-torch" in {one.check.id for one in found.candidates}
    assert not found.decided
    assert not meaning("the model is not available on this device", all_checks()).candidates
