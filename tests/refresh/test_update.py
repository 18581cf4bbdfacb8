"""Whole updates against a real server: what is learned, and that a refusal leaves the cache as it was."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer
from refresh.pages import File, Index, files_of, page, with_a_release
from refresh.test_fetch import OK, raw, to

from tunedoctor.refresh.fetch import Client, FetchLimits
from tunedoctor.refresh.index import Indexes
from tunedoctor.refresh.update import UpdateError, UpdateResult, update, write
from tunedoctor.tables.load import wheel_table_with
from tunedoctor.tables.updated import Overlay

NOW = datetime(2026, 12, 24, 10, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
EMPTY = Overlay(as_of="2026-12-24", releases={}, files={})
QUICK = Client(FetchLimits(size=2_000_000, seconds=100))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "torch_wheels.json"


@pytest.fixture
def fresh(index):
    """An index with 2.16.0."""
    index.pages |= with_a_release()
    return index


def _update(index: Index, file: Path, mode: Any = "due", now: datetime = NOW) -> UpdateResult:
    return update(file, Indexes(index.url, index.default), now, mode, QUICK)


def _row(file: Path) -> Any:
    return wheel_table_with(file).data["releases"]["items"]["2.16.0"]


def test_a_new_release_is_learned_with_its_companions(fresh, file):
    shown = _update(fresh, file, "show")
    assert shown.state == "shown"
    assert not file.exists()
    outcome = _update(fresh, file)
    news = "2.16.0: cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t 3.15t, torchvision 0.30.0"
    assert outcome.changes == shown.changes == (news,)
    assert (outcome.state, outcome.untold) == ("updated", ())
    assert (outcome.before, outcome.date) == ("2026-11-24", "2026-12-24")
    assert wheel_table_with(file).source == "updated"
    row = _row(file)
    assert row["unverified"] == []
    assert row["pypi_default"]["linux_x86_64"] == row["pypi_default"]["linux_aarch64"] == "cu132"
    assert row["pypi_default"]["win_amd64"] == "cpu"
    assert row["torchaudio"].startswith("2.11.0")
    (rocm,) = [one for one in row["builds"] if one[0] == "rocm10.0"]
    assert rocm[5:] == ["gfx1100 gfx942", "metadata", True]


def test_the_code_of_a_new_release_is_learned_from_the_variants_of_the_index(fresh, file):
    place, good = "/whl/torch-2.16.0-variants.json", fresh.pages["/whl/torch/"]

    def serve(data, digest=""):
        digest = digest or sha256(data).hexdigest()
        link = f'<a href="{place}#sha256={digest}">variants</a></body>'
        fresh.pages |= {place: data, "/whl/torch/": good.replace(b"</body>", link.encode())}

    told = b'{"variants": {"cu132": {"nvidia": {"sm_arch": ["75_real", "120_real"]}}}}'
    _update(fresh, file)
    assert ["T?", "carried over from 2.15.0", True] in [one[5:] for one in _row(file)["builds"]]
    serve(b"{")
    outcome = _update(fresh, file, "now")
    assert any("2.16.0: its variants.json was not read" in one for one in outcome.untold)
    del fresh.pages[place]
    assert _update(fresh, file, "now").state == "updated"
    serve(told, digest="0" * 64)
    with pytest.raises(UpdateError, match="its hash differs"):
        _update(fresh, file, "now")
    serve(told)
    assert _update(fresh, file, "now").changes == ("2.16.0: details of its files",)
    (cu132,) = [one for one in _row(file)["builds"] if one[:2] == ["cu132", "linux_x86_64"]]
    assert cu132[5:] == ["75 120", "metadata", True]


def test_once_a_day_unless_forced(fresh, file):
    _update(fresh, file)
    asked = len(fresh.asked)
    assert _update(fresh, file, now=NOW + timedelta(hours=23)).state == "recent"
    assert len(fresh.asked) == asked
    assert _update(fresh, file, "now", NOW + timedelta(hours=1)).changes == ()
    assert len(fresh.asked) > asked
    assert _update(fresh, file, now=NOW + timedelta(hours=26)).state == "updated"
    write(file, EMPTY, ["x"], NOW + timedelta(hours=1))
    assert _update(fresh, file).state == "updated", "a clock that was wrong"
    file.write_bytes(file.read_bytes()[:-9])
    assert _update(fresh, file).state == "updated"
    assert wheel_table_with(file).source == "updated"


def test_what_was_learned_once_is_not_lost_by_an_index_without_it(fresh, file, table):
    _update(fresh, file)
    learned = wheel_table_with(file).data
    fewer = files_of(table, "torch")
    fresh.put("torch", fewer)
    with pytest.raises(UpdateError, match=r"lists \d+ files of torch, but \d+ are known: refused"):
        _update(fresh, file, now=LATER)
    assert wheel_table_with(file).data == learned
    many = [File("cu999", f"torch-1.9.{i}-cp37-cp37m-linux_x86_64.whl") for i in range(900)]
    fresh.put("torch", fewer + many)
    assert "2.16.0+cu132 for linux_x86_64" in _update(fresh, file, now=LATER).kept
    assert wheel_table_with(file).data["releases"] == learned["releases"]


ONE = File("cu132", "torch-2.16.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl")
OTHER = b"Requires-Dist: torch==2.16.0\nRequires-Dist: evil\n"


@pytest.mark.parametrize(
    ("where", "answer", "says"),
    [
        ("/whl/torch/", lambda good: good[: len(good) // 2], "is cut off"),
        ("/whl/torch/", lambda good: Answer("text/html", good, cut=True), "was cut"),
        ("/whl/torch/", lambda _: Answer("text/html", status=403), "answered 403"),
        ("/whl/torchvision/", lambda _: Answer("text/html", status=500), "answered 500"),
        (
            "/whl/torchaudio/",
            lambda _: b"<html><h1>Sign in to this network</h1></html>",
            "lists 0 files",
        ),
        ("/whl/torchvision/", lambda good: good[: len(good) // 2], "is cut off"),
        ("/whl/torchaudio/", lambda _: bytes(range(256)) * 20, "is not a page of an index"),
        ("/whl/torch/", lambda _: to("http://127.0.0.1:9/whl/"), "not on an allowed host"),
        ("/whl/torch/", lambda good: raw(OK + b"\r\n", good), "larger than"),
        ("/whl/torch/", lambda _: page([ONE]), "lists 1 files of torch"),
        ("/simple/torch/", lambda good: good[: len(good) // 2], "is cut off"),
        # what stands behind a hash is replaced
        ("/whl/cpu/torchvision-0.30.0", lambda _: OTHER, "its hash differs"),
        ("/whl/rocm10.0/", lambda _: OTHER, "its hash differs"),
        ("/simple/f/", lambda _: OTHER, "its hash differs"),
    ],
)
def test_what_is_damaged_is_refused_and_the_cache_stays(fresh, file, where, answer, says):
    write(file, EMPTY, [], NOW)
    before = file.read_bytes()
    places = [one for one in fresh.pages if one.startswith(where)]
    assert places
    fresh.pages |= {one: answer(fresh.pages[one]) for one in places}
    with pytest.raises(UpdateError, match=says):
        _update(fresh, file, "now", LATER)
    assert file.read_bytes() == before
    if where == "/simple/f/":
        with pytest.raises(UpdateError, match=says):
            _update(fresh, file.parents[1] / "none" / file.name)
        assert not (file.parents[1] / "none").exists(), "nor is one made"


def test_what_can_not_be_had_is_that_of_the_last_release_and_marked(fresh, file):
    """Without the default index, and where links of PyTorch's page lead to other hosts, which are not asked."""
    del fresh.pages["/simple/torch/"]
    foreign = fresh.pages["/whl/torchvision/"].replace(b'href="/whl/', b'href="http://127.0.0.1:9/')
    fresh.pages["/whl/torchvision/"] = foreign
    outcome = _update(fresh, file)
    assert any("the default index was not read" in one for one in outcome.untold)
    row = _row(file)
    assert row["unverified"] == ["pypi_default", "torchvision_pair"]
    assert row["pypi_default"]["linux_x86_64"] == "cu132"
    assert row["torchvision"] == "0.29.2"


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch, step):
    file = tmp_path / "t.json"
    write(file, EMPTY, ["x"], NOW)
    before = file.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    with pytest.raises(UpdateError, match=r"t\.json can't be written: No space left"):
        write(file, EMPTY, ["y"], NOW)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


def test_a_killed_write_leaves_the_old_one(file):
    write(file, EMPTY, ["x"], NOW)
    before = file.read_bytes()
    code = (
        "import os, signal, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from tunedoctor.refresh.update import write\nfrom tunedoctor.tables.updated import Overlay\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write(Path(sys.argv[1]), Overlay(as_of='2026-12-25', releases={}, files={}), [], datetime.now(UTC))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert ended.returncode == -9
    assert file.read_bytes() == before


def test_a_clock_behind_the_table_and_a_folder_that_can_not_be_made(fresh, tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(UpdateError, match="can't be written"):
        _update(fresh, tmp_path / "x" / "t.json")
    with pytest.raises(UpdateError, match="the clock says 2020-01-01"):
        _update(fresh, tmp_path / "t.json", now=datetime(2020, 1, 1, tzinfo=UTC))
