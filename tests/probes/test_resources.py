"""Memory, CPUs, shared memory and folders, with the limits of control groups."""

import pytest
from planting import Link, plant

from tunedoctor.facts import Absent, Unknown
from tunedoctor.probes.resources import (
    cpu_quota,
    from_meminfo,
    hub_cache,
    measure,
    memory_limit,
    model_in,
    shared_memory,
    temporary,
    windows_memory,
)


@pytest.mark.parametrize(
    ("files", "limit", "limit_used", "path", "oom_kills"),
    [
        (
            {
                "proc/self/cgroup": "0::/user.slice/job/step\n",
                "sys/fs/cgroup/user.slice/job/step/memory.max": "max\n",
                "sys/fs/cgroup/user.slice/job/step/memory.events": "low 0\noom 1\noom_kill 1\n",
                "sys/fs/cgroup/user.slice/job/memory.max": "8589934592\n",
                "sys/fs/cgroup/user.slice/job/memory.current": "5368709120\n",
                "sys/fs/cgroup/user.slice/job/memory.stat": "anon 10\ninactive_file 2147483648\n",
                "sys/fs/cgroup/user.slice/job/memory.events": "oom 4\noom_kill 3\n",
                "sys/fs/cgroup/user.slice/memory.max": "68719476736\n",
            },
            8589934592,
            3221225472,
            "sys/fs/cgroup/user.slice/job/memory.max",
            3,
        ),
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "1073741824\n",
                "sys/fs/cgroup/memory.current": "100\n",
                "sys/fs/cgroup/memory.stat": "inactive_file 4096\n",
            },
            1073741824,
            0,
            "sys/fs/cgroup/memory.max",
            0,
        ),
    ],
)
def test_the_smallest_limit_of_the_control_groups_counts(
    files, limit, limit_used, path, oom_kills, tmp_path
):
    plant(tmp_path, files)
    assert memory_limit(tmp_path) == {
        "limit": limit,
        "limit_used": limit_used,
        "limit_place": f"{tmp_path}/{path}",
        "oom_kills": oom_kills,
    }


def test_no_limit_is_no_limit(tmp_path):
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
        },
    )
    assert memory_limit(tmp_path) == {"oom_kills": 2}


def test_a_limit_of_docker_is_read(tmp_path):
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "9:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1073741824",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 536870912\n",
        },
    )
    assert memory_limit(tmp_path) == {
        "limit": 2147483648,
        "limit_used": 536870912,
        "limit_place": f"{tmp_path}/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "oom_kills": 0,
    }


def test_a_path_out_of_the_control_groups_is_not_followed(tmp_path):
    plant(tmp_path, {"proc/self/cgroup": "0::/../../etc\n", "sys/fs/cgroup/memory.max": "7\n"})
    assert memory_limit(tmp_path) == {
        "limit": 7,
        "limit_used": 0,
        "limit_place": f"{tmp_path}/sys/fs/cgroup/memory.max",
        "oom_kills": 0,
    }


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert memory_limit(tmp_path) == {"oom_kills": 0}


@pytest.mark.parametrize(
    ("files", "expected"),
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
def test_a_quota_of_cpus_is_read(files, expected, tmp_path):
    plant(tmp_path, files)
    assert cpu_quota(tmp_path) == expected


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cpu_quota(tmp_path) is None


def test_the_model_of_the_cpu_is_the_first():
    result = model_in(
        "processor\t: 0\nmodel name\t: AMD Ryzen 9   7950X 16-Core\nmodel name\t: other\n"
    )
    assert result == "AMD Ryzen 9 7950X 16-Core"


def test_memory_is_read_with_its_limit():
    result = from_meminfo(
        (
            "MemTotal:        3997272 kB\n"
            "MemFree:         2760316 kB\n"
            "MemAvailable:    3386876 kB\n"
            "Buffers:           40452 kB\n"
            "Cached:           684856 kB\n"
            "SwapCached:            0 kB\n"
            "Active:           475816 kB\n"
            "Inactive:         322064 kB\n"
            "Active(anon):      70216 kB\n"
            "Inactive(anon):      148 kB\n"
            "Active(file):     405600 kB\n"
            "Inactive(file):   321916 kB\n"
            "Unevictable:       19476 kB\n"
            "Mlocked:           19476 kB\n"
            "SwapTotal:       3996668 kB\n"
            "SwapFree:        3996668 kB\n"
            "Dirty:               152 kB\n"
            "Writeback:             0 kB\n"
            "AnonPages:         92064 kB\n"
            "Mapped:            79464 kB\n"
            "Shmem:              1568 kB\n"
            "KReclaimable:     188216 kB\n"
            "Slab:             288096 kB\n"
            "SReclaimable:     188216 kB\n"
            "SUnreclaim:        99880 kB\n"
            "KernelStack:        5872 kB\n"
            "PageTables:         1812 kB\n"
            "NFS_Unstable:          0 kB\n"
            "Bounce:                0 kB\n"
            "WritebackTmp:          0 kB\n"
            "CommitLimit:     5995304 kB\n"
            "Committed_AS:     445240 kB\n"
            "VmallocTotal:   34359738367 kB\n"
            "VmallocUsed:       21932 kB\n"
            "VmallocChunk:          0 kB\n"
            "Percpu:           107520 kB\n"
            "HardwareCorrupted:     0 kB\n"
            "AnonHugePages:         0 kB\n"
            "ShmemHugePages:        0 kB\n"
            "ShmemPmdMapped:        0 kB\n"
            "FileHugePages:         0 kB\n"
            "FilePmdMapped:         0 kB\n"
            "HugePages_Total:       0\n"
            "HugePages_Free:        0\n"
            "HugePages_Rsvd:        0\n"
            "HugePages_Surp:        0\n"
            "Hugepagesize:       2048 kB\n"
            "Hugetlb:               0 kB\n"
            "DirectMap4k:      192320 kB\n"
            "DirectMap2M:     4001792 kB\n"
            "DirectMap1G:     2097152 kB\n"
        ),
        {"limit": 1073741824, "limit_used": 5, "limit_place": "/x/memory.max", "oom_kills": 2},
    )
    assert result.total == 4093206528
    assert result.available == 3468161024
    assert result.limit == 1073741824
    assert result.limit_used == 5
    assert result.limit_place == "/x/memory.max"
    assert result.oom_kills == 2


def test_memory_that_is_not_reported_is_unknown():
    assert isinstance(from_meminfo("", {}), Unknown)


def test_memory_of_windows_has_a_commit_limit():
    result = windows_memory(34359738368, 21474836480, 42949672960, 26843545600)
    assert result.swap_total == 8589934592
    assert result.swap_free == 5368709120
    assert result.commit_total == 42949672960
    assert result.commit_free == 26843545600


def test_memory_of_windows_that_is_zero_is_unknown():
    assert isinstance(windows_memory(0, 0, 0, 0), Unknown)


def test_without_shared_memory_there_is_none(tmp_path):
    result = shared_memory(folder=f"{tmp_path}/shm")
    assert isinstance(result, Absent)
    assert "does not exist" in result.why


def test_shared_memory_that_cannot_be_read_is_unknown(tmp_path):
    plant(tmp_path, {"loop": Link("loop")})
    assert isinstance(shared_memory(folder=f"{tmp_path}/loop"), Unknown)


@pytest.mark.parametrize(
    ("variables", "folder", "variable"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a", "HF_HUB_CACHE"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a", "HUGGINGFACE_HUB_CACHE"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub", "HF_HOME"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub", "HF_HOME"),
    ],
)
def test_the_cache_of_the_hub_is_where_variables_say(variables, folder, variable):
    assert hub_cache(variables) == (folder, variable)


def test_the_temporary_folder_is_the_first_that_exists(tmp_path):
    plant(tmp_path, {"tmp": None})
    result = temporary({"TMPDIR": f"{tmp_path}/missing", "TMP": f"{tmp_path}/tmp"}, ("/",))
    assert result == f"{tmp_path}/tmp"


def test_a_folder_that_does_not_exist_is_measured_above_it(tmp_path):
    result = measure("hf-cache", f"{tmp_path}/a/b/c", "HF_HOME")
    assert result.exists is False
    assert result.path == f"{tmp_path}/a/b/c"
    assert result.writable is True


def test_a_folder_that_exists_is_measured(tmp_path):
    result = measure("work", f"{tmp_path}/")
    assert result.exists is True
    assert result.writable is True
