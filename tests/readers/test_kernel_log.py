"""Kernel lines in any text."""

from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors, Fact, KernelLog, NvidiaDriver, NvidiaModule
from tunedoctor.readers.kernel_log import read
from tunedoctor.readers.tidy import tidy

SHARED = Path(__file__).parents[3] / "shared" / "samples"
F = TypeVar("F", bound=Fact)


def facts(text: str) -> list[Fact]:
    return read(tidy(text))


def only(kind: type[F], text: str) -> F:
    (fact,) = (one for one in facts(text) if isinstance(one, kind))
    return fact


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SHARED / name).read_text()


MISMATCH = """\
[   12.1] NVRM: API mismatch: the client has the version 535.129.03, but
[   12.1] NVRM: this kernel module has the version 535.104.05.  Please
[   12.1] NVRM: make sure that this kernel module and all NVIDIA driver
"""
SYSLOG = """\
Mar  3 10:00:01 box kernel: [ 1234.5] NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
Mar  3 10:00:01 box kernel: [ 1234.5] NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.
"""
JOURNAL = """\
Jan 05 12:13:14 node7 kernel: NVRM: Xid (PCI:0000:c1:00): 48, pid=4711, name=python, Double Bit ECC Error
Jan 05 12:13:15 node7 kernel: NVRM: Xid (PCI:0000:c1:00): 63, pid=4711, name=python, Row Remapper: remapping row
"""


def test_the_two_versions_of_a_quarrel() -> None:
    driver = only(NvidiaDriver, MISMATCH)
    assert (driver.version, driver.library) == ("535.104.05", "535.129.03")
    assert "NVRM: API mismatch" in only(Errors, MISMATCH).errors[0].text


@pytest.mark.parametrize("prefix", ["", "> ", "    ", "$ dmesg\n"])
def test_a_lost_card_in_syslog(prefix: str) -> None:
    log = only(KernelLog, "\n".join(prefix + line for line in SYSLOG.splitlines()))
    assert log.fell_off_bus
    assert [(x.number, x.slot) for x in log.xids] == [(79, "0000:01:00.0")]


def test_xids_of_the_journal() -> None:
    log = only(KernelLog, JOURNAL)
    assert [(x.number, x.slot) for x in log.xids] == [(48, "0000:c1:00.0"), (63, "0000:c1:00.0")]
    assert not log.fell_off_bus


@pytest.mark.parametrize(
    ("line", "version", "is_open"),
    [
        (
            "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19",
            "535.104.05",
            False,
        ),
        (
            "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release",
            "580.95.05",
            True,
        ),
        (
            "NVRM: loading NVIDIA UNIX Open Kernel Module for aarch64  580.82  Release",
            "580.82",
            True,
        ),
    ],
)
def test_the_module_that_was_loaded(line: str, version: str, is_open: bool) -> None:
    driver = only(NvidiaDriver, f"[    3.2] {line}")
    assert (driver.version, driver.open_module) == (version, is_open)
    assert only(NvidiaModule, line).loaded


@pytest.mark.parametrize(
    ("text", "on_disk", "secure_boot"),
    [
        ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", True, True),
        ("modprobe: ERROR: could not insert 'nvidia': Required key not available", True, True),
        (
            "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-49-generic",
            False,
            None,
        ),
        ("modprobe: ERROR: could not insert 'nvidia': No such device", True, None),
    ],
)
def test_why_a_module_is_not_loaded(text: str, on_disk: bool, secure_boot: bool | None) -> None:
    module = only(NvidiaModule, f"$ sudo modprobe nvidia\n{text}")
    assert (module.loaded, module.on_disk, module.secure_boot) == (False, on_disk, secure_boot)
    assert text in [error.text for error in only(Errors, text).errors]


def test_nouveau_at_work() -> None:
    module = only(NvidiaModule, "[    2.1] nouveau 0000:01:00.0: NVIDIA TU106 (166000a1)")
    assert (module.loaded, module.nouveau, module.on_disk) == (False, True, None)


def test_refusals_of_the_amd_driver() -> None:
    text = "[    3.5] kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics 730<0"
    assert only(KernelLog, text).kfd == (
        "kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics 730<0",
    )
    assert "PCI rejects atomics" in only(Errors, text).errors[0].text
    assert not facts("[    3.5] kfd kfd: amdgpu: added device 1002:744c")


def test_kills_for_want_of_ram() -> None:
    text = "Out of memory: Killed process 4711 (python) total-vm:123kB, anon-rss:64000000kB"
    assert only(KernelLog, text).oom_kills == (text,)
    assert only(Errors, text).errors[0].text == text


def test_recorded_logs() -> None:
    assert {x.number for x in only(KernelLog, shared("dmesg_xid119_gsp_timeout.txt")).xids} == {119}
    oom = only(KernelLog, shared("dmesg_oom_kill.txt"))
    assert oom.oom_kills
    assert {x.number for x in oom.xids} == {13, 43}
    (nccl,) = facts(shared("dmesg_nccl_segfault.txt"))
    assert isinstance(nccl, Errors)
    assert "in libnccl.so.2" in nccl.errors[0].text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "My GPU has an NVRM problem, I think; the kfd of AMD works.",
        "$ sudo modprobe nvidia\n$ nvidia-smi",
        "nouveau is blacklisted in /etc/modprobe.d",
        "kernel_log reader of nvidia things",
    ],
)
def test_prose_gives_nothing(text: str) -> None:
    assert facts(text) == []


NAMED = """[    9.42] NVRM: API mismatch: the client 'kwin_wayland' (pid 1005)
               NVRM: has the version 595.84, but this kernel module has
               NVRM: the version 595.80.  Please make sure that this"""


def test_a_quarrel_that_names_the_client() -> None:
    (driver,) = (one for one in facts(NAMED) if isinstance(one, NvidiaDriver))
    assert (driver.version, driver.library) == ("595.80", "595.84")


@pytest.mark.parametrize(
    ("trace", "count"), [("uvm_ioctl+0x13e0/0x16f0 [nvidia_uvm]", 1), ("nfs_wait+0x1/0x2 [nfs]", 0)]
)
def test_a_task_that_waits_in_the_driver(trace: str, count: int) -> None:
    text = f"[ +0.00] task:python3.11      state:D stack:    0 pid:15277\n[ +0.00]  {trace}"
    said = [e.text for f in facts(text) if isinstance(f, Errors) for e in f.errors]
    assert len(said) == count
    assert all(one == "task:python3.11 state:D in the NVIDIA driver" for one in said)


WORDS = st.sampled_from(
    [
        "NVRM: ",
        "Xid (PCI:0000:01:00): 79, ",
        "kfd kfd: ",
        "modprobe: ERROR: ",
        "could not insert 'nvidia'",
        "\n",
        " ",
        "nouveau ",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(facts(text), list)
