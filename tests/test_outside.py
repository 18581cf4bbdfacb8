"""What comes from outside: strings, files, versions, targets, snapshots can't steer a terminal, stall or raise."""

import json
import platform
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from museum import names, snapshot_of

from tunedoctor.facts.clean import LONGEST, clean_text
from tunedoctor.model.snapshot import SCHEMA, Snapshot, SnapshotError, from_json, to_data
from tunedoctor.probes.targeting import choose


@given(st.text())
def test_nothing_that_acts_is_left(text):
    clean = clean_text(text)
    assert not [
        c for c in clean if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"
    ]
    assert clean_text(clean) == clean


def test_long_text_keeps_both_ends():
    clean = clean_text("a" * 10**6 + "end")
    assert len(clean) <= LONGEST
    assert clean.startswith("aaa")
    assert clean.endswith("end")


def test_programs_that_can_not_be_started(tmp_path):
    (tmp_path / "notes.txt").write_text("no program")
    foreign = {"x86_64": 183, "aarch64": 62}.get(platform.machine(), 0)
    elf = b"\x7fELF\2\1".ljust(18, b"\0") + foreign.to_bytes(2, "little") + bytes(44)
    (tmp_path / "foreign").write_bytes(elf)
    (tmp_path / "foreign").chmod(0o755)
    name = {183: "aarch64", 62: "x86_64"}[foreign]
    problems = {"./notes.txt": f"{tmp_path}/notes.txt is not executable by this user."}
    if not list(Path("/proc/sys/fs/binfmt_misc").glob("qemu-*")):  # an emulator starts it
        told = f"is a program for {name}, but this machine is {platform.machine()}."
        problems["./foreign"] = f"{tmp_path}/foreign {told}"
    for asked, problem in problems.items():
        target = choose(asked, {}, str(tmp_path), sys.executable)
        assert (target.python, target.problem) == ("", problem)


@given(
    st.text(max_size=60), st.dictionaries(st.sampled_from(["PATH", "HOME"]), st.text(max_size=30))
)
def test_never_raises(asked, environ):
    target = choose(asked, environ, "/", sys.executable)
    assert bool(target.python) != bool(target.problem)


def _back(snapshot: Snapshot) -> Snapshot:
    return from_json(msgspec.json.encode(to_data(snapshot)))


def test_there_and_back():
    for name in names():
        assert _back(snapshot_of(name)) == snapshot_of(name), name


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_is_read_or_refused(data):
    for raw in (
        data,
        {"schema": SCHEMA, "facts": data},
        {"schema": SCHEMA, "facts": {"Host": {"value": data}}},
    ):
        try:
            from_json(json.dumps(raw))
        except SnapshotError as error:
            assert 0 < len(str(error)) < 500


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    with pytest.raises(SnapshotError):
        from_json(data)
