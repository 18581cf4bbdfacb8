"""Whole updates against a real server: what is learned, and that a refusal leaves the cache as it was."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from refresh.pages import CU, NEW, File, Index, reply, row_with, torch_files

from tunedoctor.refresh.fetch import Client, Limits
from tunedoctor.refresh.index import Indexes
from tunedoctor.refresh.update import Outcome, UpdateError, update, write
from tunedoctor.tables.load import shipped, wheel_table_with
from tunedoctor.tables.updated import Overlay

NOW = datetime(2026, 12, 24, 10, tzinfo=UTC)
EMPTY = Overlay(as_of="2026-12-24", releases={}, files={})
QUICK = Client(Limits(size=2_000_000, seconds=5))
METADATA = b"""Name: torch
Requires-Dist: cuda-toolkit[cudart]==13.2.2 ; platform_system == "Linux"
Requires-Dist: nvidia-cudnn-cu13==9.26.0.51 ; platform_system == "Linux"
Requires-Dist: triton~=3.10.0 ; platform_system == "Linux"
"""
ROCM = b"Name: torch\nRequires-Dist: rocm[libraries,device-gfx942,device-gfx1100]==10.0\n"


def _new_row(table: Any) -> Any:
    named = {**NEW, "linux_x86_64": (*CU, "rocm10.0")}
    return row_with(table["releases"]["items"]["2.15.0"], **named)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "torch_wheels.json"


@pytest.fixture
def fresh(index: Index) -> Index:
    """An index with 2.16.0 on it and on the default index, and its torchvision."""
    index.pages.update(_pages())
    return index


@cache
def _pages() -> dict[str, Any]:
    index, table = Index(""), shipped("torch_wheels")
    index.of_table(table)
    row = _new_row(table)
    files = [
        one
        for version, old in table["releases"]["items"].items()
        for one in torch_files(version, old)
    ]
    index.put("torch", files + torch_files("2.16.0", row, {"rocm10.0": ROCM}))
    plain = [
        f._replace(folder="f", name=f.name.replace("+cu132", ""), metadata=METADATA)
        for f in torch_files("2.16.0", row)
        if f.folder == "cu132"
    ]
    index.put("torch", plain, "/simple/")
    vision = [
        File("cpu", f"torchvision-{one}+cpu-cp313-cp313-manylinux_2_28_x86_64.whl", metadata)
        for one, metadata in (
            ("0.30.0", b"Requires-Dist: torch==2.16.0\n"),
            ("0.31.0", b"Requires-Dist: torch==2.17.0\n"),
        )
    ]
    old = [
        File("cpu", f"torchvision-{row['torchvision']}+cpu-cp312-cp312-linux_x86_64.whl")
        for row in table["releases"]["items"].values()
    ]
    index.put("torchvision", old + vision)
    return index.pages


def _update(index: Index, file: Path, mode: Any = "due", now: datetime = NOW) -> Outcome:
    return update(file, Indexes(index.url, index.default), now, mode, QUICK)


def test_a_new_release_is_learned_with_its_companions(fresh: Index, file: Path) -> None:
    shown = _update(fresh, file, "show")
    assert shown.state == "shown"
    assert not file.exists()
    outcome = _update(fresh, file)
    assert outcome.state == "updated"
    assert (
        outcome.changes
        == shown.changes
        == ("2.16.0: cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t 3.15t, torchvision 0.30.0",)
    )
    assert (outcome.before, outcome.date) == ("2026-11-24", "2026-12-24")
    assert outcome.untold == ()
    table = wheel_table_with(file)
    row = table.data["releases"]["items"]["2.16.0"]
    assert table.source == "updated"
    assert row["unverified"] == []
    assert row["pypi_default"]["linux_x86_64"] == row["pypi_default"]["linux_aarch64"] == "cu132"
    assert row["pypi_default"]["win_amd64"] == "cpu"
    assert row["torchaudio"].startswith("2.11.0")
    (rocm,) = [one for one in row["builds"] if one[0] == "rocm10.0"]
    assert rocm[5:] == ["gfx1100 gfx942", "metadata", True]


def _variants(index: Index, data: bytes, digest: str = "") -> None:
    """Serve variants.json of 2.16.0 and the link to it."""
    index.pages["/whl/torch-2.16.0-variants.json"] = data
    good = index.pages["/whl/torch/"]
    assert isinstance(good, bytes)
    digest = digest or sha256(data).hexdigest()
    link = f'<a href="/whl/torch-2.16.0-variants.json#sha256={digest}">variants</a></body>'
    index.pages["/whl/torch/"] = good.replace(b"</body>", link.encode())


VARIANTS = b'{"variants": {"cu132": {"nvidia": {"sm_arch": ["75_real", "120_real"]}}}}'


def test_the_code_of_a_new_release_is_learned_from_the_variants_of_the_index(
    fresh: Index, file: Path
) -> None:
    _update(fresh, file)
    row = wheel_table_with(file).data["releases"]["items"]["2.16.0"]
    assert ["T?", "carried over from 2.15.0", True] in [one[5:] for one in row["builds"]]
    _variants(fresh, b"{")
    outcome = _update(fresh, file, "now")
    assert any("2.16.0: its variants.json was not read" in one for one in outcome.untold)
    del fresh.pages["/whl/torch-2.16.0-variants.json"]
    assert _update(fresh, file, "now").state == "updated"
    fresh.pages.update(_pages())
    _variants(fresh, VARIANTS, digest="0" * 64)
    with pytest.raises(UpdateError, match="another hash"):
        _update(fresh, file, "now")
    fresh.pages.update(_pages())
    _variants(fresh, VARIANTS)
    assert _update(fresh, file, "now").changes == ("2.16.0: details of its files",)
    row = wheel_table_with(file).data["releases"]["items"]["2.16.0"]
    (cu132,) = [one for one in row["builds"] if one[:2] == ["cu132", "linux_x86_64"]]
    assert cu132[5:] == ["75 120", "metadata", True]


def test_once_a_day_unless_forced(fresh: Index, file: Path) -> None:
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


def test_what_was_learned_once_is_not_lost_by_an_index_without_it(
    fresh: Index, file: Path, table: Any
) -> None:
    _update(fresh, file)
    learned = wheel_table_with(file).data
    fewer = [f for v, row in table["releases"]["items"].items() for f in torch_files(v, row)]
    fresh.put("torch", fewer)
    with pytest.raises(UpdateError, match=r"names \d+ files of torch, and \d+ are known: refused"):
        _update(fresh, file, now=NOW + timedelta(days=2))
    assert wheel_table_with(file).data == learned
    many = [File("cu999", f"torch-1.9.{i}-cp37-cp37m-linux_x86_64.whl") for i in range(900)]
    fresh.put("torch", fewer + many)
    outcome = _update(fresh, file, now=NOW + timedelta(days=2))
    assert "2.16.0+cu132 for linux_x86_64" in outcome.kept
    after = wheel_table_with(file).data
    assert after["releases"] == learned["releases"]


def _with(
    answer: Callable[[BaseHTTPRequestHandler, bytes], None], project: str
) -> Callable[[Index], None]:
    def damage(index: Index) -> None:
        good = index.pages[f"/whl/{project}/"]
        assert isinstance(good, bytes)

        def quiet(handler: BaseHTTPRequestHandler) -> None:
            with suppress(OSError):  # the doctor hangs up
                answer(handler, good)

        index.pages[f"/whl/{project}/"] = quiet

    return damage


def _endless(handler: BaseHTTPRequestHandler, good: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(good)


def _fewer(index: Index) -> None:
    index.put("torch", [File("cu132", "torch-2.16.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl")])


def _wrong_hash(path: str) -> Callable[[Index], None]:
    def damage(index: Index) -> None:
        for name in [n for n in index.pages if path in n and n.endswith(".metadata")]:
            index.pages[name] = b"Requires-Dist: torch==2.16.0\nRequires-Dist: evil\n"

    return damage


def _cut_default(index: Index) -> None:
    good = index.pages["/simple/torch/"]
    assert isinstance(good, bytes)
    index.pages["/simple/torch/"] = good[: len(good) // 2]


@pytest.mark.parametrize("project", ["torch", "torchvision", "torchaudio"])
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda h, good: reply(h, good[: len(good) // 2]), "ends before its end"),
        (lambda h, good: reply(h, good[:-100], length=len(good)), "was cut"),
        (lambda h, _: h.send_error(403), "answered 403"),
        (lambda h, _: h.send_error(500), "answered 500"),
        (lambda h, _: reply(h, b"<html><h1>Sign in to this network</h1></html>"), "names 0 files"),
        (lambda h, _: reply(h, bytes(range(256)) * 20), "is no page of an index"),
        (lambda h, _: reply(h, b"", 302, Location="http://127.0.0.1:9/whl/"), "allowed hosts"),
        (_endless, "more than"),
    ],
)
def test_a_damaged_page_is_refused_and_the_cache_stays(
    fresh: Index, file: Path, project: str, answer: Any, says: str
) -> None:
    write(file, EMPTY, [], NOW)
    before = file.read_bytes()
    _with(answer, project)(fresh)
    with pytest.raises(UpdateError, match=says):
        _update(fresh, file, "now", NOW + timedelta(days=2))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_fewer, "names 1 files of torch"),
        (_wrong_hash("torchvision"), "another hash"),
        (_wrong_hash("rocm10.0"), "another hash"),
        (_wrong_hash("/simple/"), "another hash"),
        (_cut_default, "ends before its end"),
    ],
)
def test_a_damaged_answer_makes_no_cache(
    fresh: Index, file: Path, damage: Callable[[Index], None], says: str
) -> None:
    damage(fresh)
    with pytest.raises(UpdateError, match=says):
        _update(fresh, file)
    assert not file.parent.exists()


def test_what_can_not_be_had_is_that_of_the_last_release_and_marked(
    fresh: Index, file: Path
) -> None:
    """Without the default index, and where links of PyTorch's page lead to other hosts, which are not asked."""
    del fresh.pages["/simple/torch/"]
    good = fresh.pages["/whl/torchvision/"]
    assert isinstance(good, bytes)
    foreign = good.replace(b'href="/whl/', b'href="http://127.0.0.1:9/whl/')
    fresh.pages["/whl/torchvision/"] = foreign
    outcome = _update(fresh, file)
    assert any("the default index was not read" in one for one in outcome.untold)
    row = wheel_table_with(file).data["releases"]["items"]["2.16.0"]
    assert row["unverified"] == ["pypi_default", "torchvision_pair"]
    assert row["pypi_default"]["linux_x86_64"] == "cu132"
    assert row["torchvision"] == "0.29.2"


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = tmp_path / "t.json"
    write(file, EMPTY, ["x"], NOW)
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    with pytest.raises(UpdateError, match=r"t\.json can't be written: No space left"):
        write(file, EMPTY, ["y"], NOW)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_killed_write_leaves_the_old_one(file: Path) -> None:
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


def test_a_clock_behind_the_table_and_a_folder_that_can_not_be_made(
    fresh: Index, tmp_path: Path
) -> None:
    (tmp_path / "x").touch()
    file = tmp_path / "x" / "t.json"
    with pytest.raises(UpdateError, match="can't be written"):
        _update(fresh, file)
    with pytest.raises(UpdateError, match="the clock says 2020-01-01"):
        _update(fresh, file, now=datetime(2020, 1, 1, tzinfo=UTC))
