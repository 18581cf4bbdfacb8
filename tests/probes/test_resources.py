"""Processors, memory, disks, and limits of control groups over made-up trees of both versions."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.facts import Absent, Interpreter, Memory, SharedMemory, Target, Unknown
from tunedoctor.probes.resources import (
    cpu,
    cpu_quota,
    disks,
    file_limit,
    from_meminfo,
    hub_cache,
    measure,
    memory,
    memory_limit,
    model_in,
    shared_memory,
    temporary,
    windows_memory,
)

Tree = Callable[..., Path]
GIB = 2**30
FS = "sys/fs/cgroup"
SAMPLE = Path(__file__).parents[1] / "samples/machine/proc_meminfo.txt"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (  # the smallest of the own group and its parents, page cache left out; the kills are the greater number
            {
                "proc/self/cgroup": "0::/user.slice/job/step\n",
                f"{FS}/user.slice/job/step/memory.max": "max\n",
                f"{FS}/user.slice/job/step/memory.events": "low 0\noom 1\noom_kill 1\n",
                f"{FS}/user.slice/job/memory.max": f"{8 * GIB}\n",
                f"{FS}/user.slice/job/memory.current": f"{5 * GIB}\n",
                f"{FS}/user.slice/job/memory.stat": f"anon 10\ninactive_file {2 * GIB}\n",
                f"{FS}/user.slice/job/memory.events": "oom 4\noom_kill 3\n",
                f"{FS}/user.slice/memory.max": f"{64 * GIB}\n",
            },
            (8 * GIB, 3 * GIB, f"{FS}/user.slice/job/memory.max", 3),
        ),
        (  # a container sees its own group as the root
            {
                "proc/self/cgroup": "0::/\n",
                f"{FS}/memory.max": f"{GIB}\n",
                f"{FS}/memory.current": "100\n",
                f"{FS}/memory.stat": "inactive_file 4096\n",
            },
            (GIB, 0, f"{FS}/memory.max", 0),
        ),
        (  # version 1 states no limit by a huge number
            {
                "proc/self/cgroup": "4:memory:/\n0::/\n",
                f"{FS}/memory/memory.limit_in_bytes": "9223372036854771712",
                f"{FS}/memory/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
            },
            (None, None, None, 2),
        ),
        (  # the path is the host's, and only the mount is there
            {
                "proc/self/cgroup": "9:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
                f"{FS}/memory/memory.limit_in_bytes": f"{2 * GIB}",
                f"{FS}/memory/memory.usage_in_bytes": f"{GIB}",
                f"{FS}/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}\n",
            },
            (2 * GIB, GIB // 2, f"{FS}/memory/memory.limit_in_bytes", 0),
        ),
        (  # a group outside of the namespace is not followed
            {"proc/self/cgroup": "0::/../../etc\n", f"{FS}/memory.max": "7\n"},
            (7, 0, f"{FS}/memory.max", 0),
        ),
        ({}, (None, None, None, 0)),
    ],
)
def test_memory_limits(tree: Tree, files: dict[str, str], wanted: tuple[Any, ...]) -> None:
    root = tree(files)
    limit, used, place, kills = wanted
    told = {"limit": limit, "limit_used": used, "limit_place": str(root / str(place))}
    assert memory_limit(root) == {**(told if limit else {}), "oom_kills": kills}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"proc/self/cgroup": "0::/a", f"{FS}/a/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/a", f"{FS}/a/cpu.max": "max 100000\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                f"{FS}/a/b/cpu.max": "400000 100000\n",
                f"{FS}/a/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu,cpuacct:/\n",
                f"{FS}/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                f"{FS}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "2:cpuacct,cpu:/\n",
                f"{FS}/cpu/cpu.cfs_quota_us": "-1\n",
                f"{FS}/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_cpu_quota(tree: Tree, files: dict[str, str], wanted: float | None) -> None:
    assert cpu_quota(tree(files)) == wanted


def test_processors() -> None:
    text = "processor\t: 0\nmodel name\t: AMD Ryzen 9   7950X 16-Core\nmodel name\t: other\n"
    assert model_in(text) == "AMD Ryzen 9 7950X 16-Core"
    assert model_in("processor\t: 0\nCPU implementer\t: 0x41\n") == ""
    assert 1 <= cpu().usable <= cpu().count


def test_recorded_meminfo_with_a_limit() -> None:
    limit = {"limit": 2**30, "limit_used": 5, "limit_place": "/x/memory.max", "oom_kills": 2}
    found = from_meminfo(SAMPLE.read_text(), limit)
    assert isinstance(found, Memory)
    assert (found.total, found.available) == (3997272 * 1024, 3386876 * 1024)
    assert found.usable == 2**30
    assert (found.limit_used, found.limit_place, found.oom_kills) == (5, "/x/memory.max", 2)
    assert isinstance(from_meminfo("", {}), Unknown)


def test_windows_counts_the_page_file_into_the_commit_limit() -> None:
    found = windows_memory(32 * GIB, 20 * GIB, 40 * GIB, 25 * GIB)
    assert isinstance(found, Memory)
    assert (found.swap_total, found.swap_free) == (8 * GIB, 5 * GIB)
    assert (found.commit_total, found.commit_free) == (40 * GIB, 25 * GIB)
    assert isinstance(windows_memory(0, 0, 0, 0), Unknown)


def test_this_machine(tmp_path: Path) -> None:
    ram = memory()
    assert isinstance(ram, Memory)
    assert 0 < (ram.available or 0) <= ram.total
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = file_limit()
    assert not isinstance(found, Absent)
    assert [found.soft, found.hard] == [-1 if n == resource.RLIM_INFINITY else n for n in limits]
    shared = shared_memory(folder=str(tmp_path))
    assert isinstance(shared, SharedMemory)
    assert 0 < (shared.free or 0) <= shared.total


def test_shared_memory_that_is_not_there_or_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert shared_memory(folder=f"{tmp_path}/shm") == Absent(why=f"there is no {tmp_path}/shm")
    assert isinstance(shared_memory(folder=f"{tmp_path}/loop"), Unknown)


@pytest.mark.parametrize(
    ("variables", "path", "hint"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a", "HF_HUB_CACHE"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a", "HUGGINGFACE_HUB_CACHE"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub", "HF_HOME"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub", "HF_HOME"),
        ({"HF_HOME": ""}, f"{Path.home()}/.cache/huggingface/hub", "HF_HOME"),
        ({"HF_HOME": "~/models"}, f"{Path.home()}/models/hub", "HF_HOME"),
    ],
)
def test_hub_cache(variables: dict[str, str], path: str, hint: str) -> None:
    assert hub_cache(variables) == (path, hint)


def test_temporary_files_go_to_the_first_folder_that_exists(tmp_path: Path) -> None:
    variables = {"TMPDIR": str(tmp_path / "missing"), "TMP": str(tmp_path)}
    assert temporary(variables, ("/",)) == str(tmp_path)
    assert temporary({}, (str(tmp_path / "none"),)) == str(tmp_path / "none")


def test_a_folder_still_to_be_made_is_measured_by_its_parent(tmp_path: Path) -> None:
    found = measure("hf-cache", str(tmp_path / "a/b/c"), "HF_HOME")
    here = measure("work", str(tmp_path))
    assert found
    assert here
    assert (found.exists, here.exists, found.path) == (False, True, str(tmp_path / "a/b/c"))
    assert found.device == here.device != ""
    assert 0 < found.free <= found.total
    assert found.writable


def test_the_target_is_where_its_interpreter_says_else_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    asked = Target(asked=str(tmp_path / "python"), chosen_by="--target")
    one = Interpreter(executable="x", version="3.12.7", prefix=f"{tmp_path}/env")
    found = {disk.use: disk.path for disk in disks(asked, one).disks}
    assert found["target"] == f"{tmp_path}/env"
    assert found["work"] == os.getcwd()  # noqa: PTH109
    assert set(found) == {"hf-cache", "tmp", "target", "work"}
    found = {disk.use: disk.path for disk in disks(asked, Unknown(why="it hung")).disks}
    assert found["target"] == str(tmp_path)
    assert "target" not in {disk.use for disk in disks(Unknown(why="x"), None).disks}
