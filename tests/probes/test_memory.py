"""RAM and swap."""

from pathlib import Path

from tunedoctor.facts import Memory, Unknown
from tunedoctor.probes.limits import MemoryLimit, from_meminfo, linux_memory, memory, windows_memory

SAMPLE = Path(__file__).parents[1] / "samples/machine/proc_meminfo.txt"
FREE = MemoryLimit(limit=None, used=0, place="", oom_kills=0)


def test_recorded_meminfo_with_a_limit() -> None:
    limit = MemoryLimit(limit=2**30, used=5, place="/x/memory.max", oom_kills=2)
    found = from_meminfo(SAMPLE.read_text(), limit)
    assert isinstance(found, Memory)
    assert found.total == 3997272 * 1024
    assert found.available == 3386876 * 1024
    assert found.usable == 2**30
    assert (found.limit_used, found.limit_place, found.oom_kills) == (5, "/x/memory.max", 2)


def test_old_kernels_do_not_state_what_is_available() -> None:
    found = from_meminfo("MemTotal: 100 kB\nMemFree: 10 kB\nCached: 20 kB\nSwapTotal: 8 kB", FREE)
    assert isinstance(found, Memory)
    assert (found.available, found.swap_total, found.usable) == (30 << 10, 8 << 10, 100 << 10)


def test_no_meminfo_is_unknown(tmp_path: Path) -> None:
    assert isinstance(linux_memory(tmp_path), Unknown)
    assert isinstance(from_meminfo("", FREE), Unknown)


def test_windows_counts_the_page_file_into_the_commit_limit() -> None:
    gib = 2**30
    found = windows_memory(32 * gib, 20 * gib, 40 * gib, 25 * gib)
    assert isinstance(found, Memory)
    assert (found.swap_total, found.swap_free) == (8 * gib, 5 * gib)
    assert (found.commit_total, found.commit_free) == (40 * gib, 25 * gib)
    assert isinstance(windows_memory(0, 0, 0, 0), Unknown)


def test_this_machine_has_memory() -> None:
    found = memory()
    assert isinstance(found, Memory)
    assert 0 < found.available <= found.total
