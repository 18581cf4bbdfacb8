"""Limits of control groups, over made-up trees of both versions."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tunedoctor.probes.limits import chain, cpu_quota, folders, memory_limit

GIB = 2**30
V1_NONE = "9223372036854771712"


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_v2_takes_the_smallest_limit_of_own_group_and_parents(tmp_path: Path) -> None:
    fs = "sys/fs/cgroup"
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice/job/step\n",
            f"{fs}/user.slice/job/step/memory.max": "max\n",
            f"{fs}/user.slice/job/step/memory.events": "low 0\noom 1\noom_kill 1\n",
            f"{fs}/user.slice/job/memory.max": f"{8 * GIB}\n",
            f"{fs}/user.slice/job/memory.current": f"{5 * GIB}\n",
            f"{fs}/user.slice/job/memory.stat": f"anon 10\ninactive_file {2 * GIB}\n",
            f"{fs}/user.slice/job/memory.events": "oom 4\noom_kill 3\n",
            f"{fs}/user.slice/memory.max": f"{64 * GIB}\n",
        },
    )
    found = memory_limit(root)
    assert found.limit == 8 * GIB
    assert found.used == 3 * GIB
    assert found.place == str(root / fs / "user.slice/job/memory.max")
    assert found.oom_kills == 3


def test_v2_in_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/memory.current": "100\n",
            "sys/fs/cgroup/memory.stat": "inactive_file 4096\n",
        },
    )
    found = memory_limit(root)
    assert (found.limit, found.used, found.oom_kills) == (GIB, 0, 0)


def test_v1_states_no_limit_by_a_huge_number(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_NONE,
            "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
        },
    )
    found = memory_limit(root)
    assert (found.limit, found.place, found.oom_kills) == (None, "", 2)


def test_v1_path_of_the_host_falls_back_to_the_mount(tmp_path: Path) -> None:
    mount = "sys/fs/cgroup/memory"
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "9:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
            f"{mount}/memory.limit_in_bytes": f"{2 * GIB}",
            f"{mount}/memory.usage_in_bytes": f"{GIB}",
            f"{mount}/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}\n",
        },
    )
    found = memory_limit(root)
    assert (found.limit, found.used) == (2 * GIB, GIB // 2)


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert folders(tmp_path, "memory") == ()
    assert memory_limit(tmp_path).limit is None
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "2:cpuacct,cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_cpu_quota(tmp_path: Path, files: dict[str, str], wanted: float | None) -> None:
    assert cpu_quota(tree(tmp_path, files)) == wanted


def test_a_group_outside_of_the_namespace_is_not_followed() -> None:
    assert chain(Path("/cg"), "/../../etc") == [Path("/cg")]
