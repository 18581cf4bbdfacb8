"""What the log of the kernel says about GPUs."""

import pytest

from tunedoctor.facts import Absent, KernelLog, PciBus, Xid
from tunedoctor.probes.gpus import kernel_log
from tunedoctor.readers.kernel_messages import parse_kernel_log


@pytest.mark.parametrize(
    ("text", "xids"),
    [
        ("NVRM: Xid (PCI:0000:38:00): 79, GPU has fallen off the bus.", [(79, "0000:38:00.0")]),
        ("[  12.3] NVRM: Xid (0000:03:00): 31, Ch 0000000a", [(31, "0000:03:00.0")]),
        ("4,9,12,-;NVRM: Xid (PCI:00000001:0B:00): 154, x", [(154, "0001:0b:00.0")]),
        (
            (
                "NVRM: Xid (PCI:0000:38:00): 13, x\n"
                "NVRM: Xid (PCI:0000:38:00): 13, x\n"
                "NVRM: Xid (PCI:0000:38:00): 13, x\n"
            ),
            [(13, "0000:38:00.0"), (13, "0000:38:00.0"), (13, "0000:38:00.0")],
        ),
    ],
)
def test_errors_of_nvidia_gpus_are_read_with_their_slot(text, xids):
    result = parse_kernel_log(text)
    assert [(item.number, item.slot) for item in result.xids] == xids


def test_a_quoted_line_of_the_log_is_read():
    result = parse_kernel_log("> Oct 3 host kernel: NVRM: Xid (PCI:0000:b3:00): 45")
    assert result == KernelLog(xids=(Xid(number=45, slot="0000:b3:00.0"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "NVRM: The NVIDIA GPU 0000:0f:00.0\n"
                "NVRM: fallen off the bus and is not responding.\n"
            ),
            KernelLog(fell_off_bus=True),
        ),
        (
            "[3.54] kfd kfd: amdgpu: PITCAIRN  not supported in kfd",
            KernelLog(kfd=("kfd kfd: amdgpu: PITCAIRN  not supported in kfd",)),
        ),
        (
            "[3.54] kfd kfd: amdgpu: device 1002:15dd NOT added due to errors",
            KernelLog(kfd=("kfd kfd: amdgpu: device 1002:15dd NOT added due to errors",)),
        ),
        ("[ 3.5] kfd kfd: amdgpu: added device 1002:744c", KernelLog()),
        (
            "[99.1] Memory cgroup out of memory: Killed process 4242 (python)",
            KernelLog(oom_kills=("Memory cgroup out of memory: Killed process 4242 (python)",)),
        ),
    ],
)
def test_each_kind_of_line_is_kept(text, expected):
    assert parse_kernel_log(text) == expected


def test_hung_tasks_are_read():
    result = parse_kernel_log(
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000a\n"
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000b\n"
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000c\n"
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000d\n"
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000e\n"
        "[Sat Oct 12 18:35:32 2024] NVRM: Xid (PCI:0000:61:00): 45, pid=1496200, name=distprovers-gpu, Ch 0000000f\n"
        "[Sat Oct 12 18:38:44 2024] INFO: task cache_mgr_event:620917 blocked for more than 120 seconds.\n"
        "[Sat Oct 12 18:40:45 2024] INFO: task cache_mgr_event:620917 blocked for more than 241 seconds.\n"
    )
    assert [item.number for item in result.xids] == [45, 45, 45]
    assert result.hung == ("cache_mgr_event (620917), 241 s",)


def test_errors_of_nvswitches_are_read():
    result = parse_kernel_log(
        "[6781753.400584] nvidia-nvswitch1: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 48 LTSSM Fault Up\n"
        "[6781753.404848] nvidia-nvswitch2: SXid (PCI:0000:07:00.0): 20034, Severity 1 Engine instance 60 Sub-engine instance 00\n"
        "[6781753.406566] nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Data {0x10000000, 0x10000000, 0x00000000}\n"
        "[6781741.548779] NVRM: Xid (PCI:0000:91:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n"
    )
    assert len(result.xids) == 2
    assert result.xids[0] == Xid(
        number=20034, slot="0000:06:00.0", text="Fatal, Link 48 LTSSM Fault Up"
    )
    assert result.xids[1].number == 79
    assert result.xids[1].slot == "0000:91:00.0"


def test_an_error_of_a_quoted_priority_is_no_error():
    result = parse_kernel_log(
        "line kern  :err   : 2025-01-25T10:34:54,859532+00:00 nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Data {0x000001c0, 0x00bd5c8a}\n"
    )
    assert result == KernelLog()


def test_an_error_of_a_switch_keeps_its_words():
    result = parse_kernel_log(
        "[   38.178720] nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 22013, Non-fatal, Link 44 Minion Link DLREQ interrupt"
    )
    assert [(item.number, item.text) for item in result.xids] == [
        (22013, "Non-fatal, Link 44 Minion Link DLREQ interrupt")
    ]


@pytest.mark.parametrize(
    "pci",
    [
        PciBus(devices=()),
        None,
    ],
)
def test_without_a_gpu_the_log_is_not_read(pci):
    assert isinstance(kernel_log(pci), Absent)
