"""The figures of popular stacks are not older than the code that they judge allows."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typed import tool

ROOT = Path(__file__).parents[2]
stacks = tool("judging.stacks")
Change = stacks.Change
JUDGED = {"oldest": "2026-12-02", "rooms": "aaaa"}
TODAY = date(2027, 6, 1)


def test_the_figures_of_this_checkout_are_not_too_old():
    every = json.loads((ROOT / "benchmarks" / "judges.json").read_text("utf-8"))
    figures = every["stacks"]["figures"]
    today = datetime.now(UTC).date()
    assert not stacks.too_old(figures, stacks.fingerprint(), stacks.last_change(), today)


@pytest.mark.parametrize(
    ("rooms", "change"),
    [
        ("aaaa", Change(date(2027, 5, 1))),
        ("bbbb", Change(date(2026, 12, 1))),
        ("bbbb", Change(date(2026, 12, 16))),
    ],
    ids=["nothing changed since", "changed before", "changed 14 days later"],
)
def test_figures_are_believed(rooms, change):
    assert stacks.too_old(JUDGED, rooms, change, TODAY) == ""


@pytest.mark.parametrize(
    "change",
    [Change(date(2026, 12, 17)), Change(date(2027, 1, 1), exact=False), Change(None)],
    ids=["changed 15 days later", "shallow clone", "no history"],
)
def test_figures_are_too_old(change):
    why = stacks.too_old(JUDGED, "bbbb", change, TODAY)
    assert "judged on 2026-12-02" in why
    assert "tools/judges --only stacks" in why


def test_without_a_history_figures_of_the_last_days_are_believed():
    assert stacks.too_old(JUDGED, "bbbb", Change(None), date(2026, 12, 10)) == ""


def test_no_figures_are_too_old():
    assert "no stack was judged" in stacks.too_old({}, "bbbb", Change(None), TODAY)


def test_every_source_of_a_room_counts(tmp_path):
    file = tmp_path / "src" / "tunedoctor" / "contracts" / "new.py"
    file.parent.mkdir(parents=True)
    before = stacks.fingerprint(tmp_path)
    file.write_text("x = 1\n")
    assert stacks.fingerprint(tmp_path) != before


def test_a_change_that_is_not_committed_is_of_today(tmp_path):
    from checkout import committed, git

    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "one.py").write_text("x = 1\n")
    committed(tmp_path)
    git(tmp_path, "commit", "--amend", "-qm", "old", "--date", "2026-01-01T00:00:00+00:00")
    assert stacks.last_change(tmp_path).exact
    (tmp_path / "checks" / "one.py").write_text("x = 2\n")
    assert stacks.last_change(tmp_path).day == datetime.now(UTC).date()


def test_the_oldest_commit_of_a_shallow_clone_is_no_exact_date(tmp_path):
    from checkout import committed, git

    whole = tmp_path / "whole"
    (whole / "checks").mkdir(parents=True)
    (whole / "checks" / "one.py").write_text("x = 1\n")
    committed(whole)
    (whole / "other.py").write_text("x = 1\n")
    git(whole, "add", "-A")
    git(whole, "commit", "-qm", "other")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{whole}", "cut")
    assert stacks.last_change(whole).exact
    assert not stacks.last_change(tmp_path / "cut").exact
    assert stacks.last_change(tmp_path).day is None
