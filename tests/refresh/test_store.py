import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tunedoctor.refresh import store
from tunedoctor.tables.updated import Overlay, read

NOW = datetime(2026, 12, 24, 10, tzinfo=UTC)


def _overlay(day: str = "2026-12-24") -> Overlay:
    return Overlay(as_of=day, releases={}, files={"torch": 3})


def test_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "t.json"
    store.write(file, _overlay(), ["x"], NOW)
    got = read(file)
    assert got.overlay == _overlay()
    assert got.fetched == "2026-12-24T10:00:00+00:00"
    assert [p.name for p in file.parent.iterdir()] == ["t.json"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = tmp_path / "t.json"
    store.write(file, _overlay(), ["x"], NOW)
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    with pytest.raises(store.StoreError, match=r"t\.json can't be written: No space left"):
        store.write(file, _overlay("2026-12-25"), ["x"], NOW)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_killed_write_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    store.write(file, _overlay(), ["x"], NOW)
    before = file.read_bytes()
    code = (
        "import os, signal, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from tunedoctor.refresh import store\nfrom tunedoctor.tables.updated import Overlay\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.write(Path(sys.argv[1]), Overlay(as_of='2026-12-25', releases={}, files={}),"
        " [], datetime.now(UTC))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert ended.returncode == -9
    assert file.read_bytes() == before


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(store.StoreError, match="can't be written"):
        store.write(tmp_path / "x" / "t.json", _overlay(), [], NOW)


def test_a_day_has_24_hours() -> None:
    def ago(**span: float) -> str:
        return (NOW - timedelta(**span)).isoformat()

    assert store.asked_lately(ago(hours=0), NOW)
    assert store.asked_lately(ago(hours=23, minutes=59), NOW)
    assert not store.asked_lately(ago(hours=24), NOW)
    assert not store.asked_lately(ago(hours=-1), NOW), "a clock that was wrong"
    assert not store.asked_lately("yesterday", NOW)
    assert store.asked_lately("2026-12-24T09:00:00", NOW), "without a zone it is UTC"
