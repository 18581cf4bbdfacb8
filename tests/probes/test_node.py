"""What a node of a cluster has: network adapters, processes that hang, paths between GPUs."""

import pytest
from planting import Link, plant

from tunedoctor.facts import (
    Absent,
    Host,
    PciBus,
    PciDevice,
    PeerPaths,
    Processes,
    RdmaPort,
    Unknown,
)
from tunedoctor.probes.node import peer_paths, processes, rdma

X86 = Host(os="linux", name="x", machine="x86_64")
TWO_A100 = PciBus(
    devices=(
        PciDevice(slot="0000:05:00.0", vendor="10de", device="20b5", device_class="030200"),
        PciDevice(slot="0000:06:00.0", vendor="10de", device="20b5", device_class="030200"),
    )
)
TWO_RADEONS = PciBus(
    devices=(
        PciDevice(
            slot="0000:03:00.0",
            vendor="1002",
            device="744c",
            device_class="030000",
            driver="amdgpu",
        ),
        PciDevice(
            slot="0000:43:00.0",
            vendor="1002",
            device="744c",
            device_class="030000",
            driver="amdgpu",
        ),
    )
)

SWITCH = "sys/devices/pci0000:00/0000:00:03.0/0000:03:00.0"


def access_control(flags: int, start: bytes = b"\x01\x00\x81\x14", gap: int = 68) -> bytes:
    """Return the settings of a PCIe bridge whose access control has these flags."""
    capability = b"\r\x00\x01\x00\x00\x00" + bytes([flags])
    return bytes(256) + start + bytes(gap) + capability + bytes(9)


def two_gpus(settings: bytes, iommu: str | None = None, cpu_flags: str = "fpu vme sse") -> dict:
    """Return the files of two GPUs below one PCIe switch, each behind a bridge of its own."""
    files = {"proc/cpuinfo": f"processor\t: 0\nflags\t\t: {cpu_flags}\n"}
    for group, (bridge, gpu) in enumerate(
        (("0000:04:08.0", "0000:05:00.0"), ("0000:04:10.0", "0000:06:00.0"))
    ):
        files |= {
            f"{SWITCH}/{bridge}/config": settings,
            f"{SWITCH}/{bridge}/{gpu}/class": "0x030200\n",
            f"sys/bus/pci/devices/{bridge}": Link(f"@root/{SWITCH}/{bridge}"),
            f"sys/bus/pci/devices/{gpu}": Link(f"@root/{SWITCH}/{bridge}/{gpu}"),
        }
        if iommu is not None:
            files |= {
                f"sys/kernel/iommu_groups/{group}/type": f"{iommu}\n",
                f"{SWITCH}/{bridge}/{gpu}/iommu_group": Link(
                    f"@root/sys/kernel/iommu_groups/{group}"
                ),
            }
    return files


def test_network_adapters_are_read_with_their_ports(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/infiniband/mlx5_0/hca_type": "MT4129",
            "sys/class/infiniband/mlx5_0/ports/1/state": "4: ACTIVE",
            "sys/class/infiniband/mlx5_0/ports/1/phys_state": "5: LinkUp",
            "sys/class/infiniband/mlx5_0/ports/1/rate": "400 Gb/sec (4X NDR)",
            "sys/class/infiniband/mlx5_0/ports/1/link_layer": "InfiniBand",
            "sys/class/infiniband/mlx5_0/ports/1/counters/link_downed": "0",
            "sys/class/infiniband/mlx5_1/hca_type": "MT4129",
            "sys/class/infiniband/mlx5_1/ports/1/state": "4: ACTIVE",
            "sys/class/infiniband/mlx5_1/ports/1/phys_state": "5: LinkUp",
            "sys/class/infiniband/mlx5_1/ports/1/rate": "400 Gb/sec (4X NDR)",
            "sys/class/infiniband/mlx5_1/ports/1/link_layer": "InfiniBand",
            "sys/class/infiniband/mlx5_1/ports/1/counters/link_downed": "255",
            "sys/class/infiniband/mlx5_bond_0/hca_type": "MT41692",
            "sys/class/infiniband/mlx5_bond_0/ports/1/state": "4: ACTIVE",
            "sys/class/infiniband/mlx5_bond_0/ports/1/phys_state": "5: LinkUp",
            "sys/class/infiniband/mlx5_bond_0/ports/1/rate": "200 Gb/sec (2X NDR)",
            "sys/class/infiniband/mlx5_bond_0/ports/1/link_layer": "Ethernet",
            "sys/class/infiniband/mlx5_bond_0/ports/1/counters/link_downed": "0",
            "proc/uptime": "864000.51 1234567.00\n",
            "sys/class/infiniband/mlx5_10/ports/1/state": "1: DOWN\n",
            "sys/class/infiniband/mlx5_10/ports/1/phys_state": "2: Polling\n",
            "sys/class/infiniband/mlx5_10/ports/1/rate": "2.5 Gb/sec (1X SDR)\n",
            "sys/class/infiniband/mlx5_10/ports/about/state": "4: ACTIVE\n",
        },
    )
    result = rdma(root=tmp_path)
    assert result.uptime == 864000
    assert len(result.ports) == 4
    assert result.ports[0] == RdmaPort(
        device="mlx5_0",
        port=1,
        layer="InfiniBand",
        kind="MT4129",
        state="ACTIVE",
        physical="LinkUp",
        rate=400,
        link_downed=0,
    )
    assert result.ports[1].device == "mlx5_1"
    assert result.ports[1].link_downed == 255
    assert result.ports[2].device == "mlx5_10"
    assert result.ports[2].kind == ""
    assert result.ports[2].state == "DOWN"
    assert result.ports[2].physical == "Polling"
    assert result.ports[2].rate == 2
    assert result.ports[2].link_downed is None
    assert result.ports[3].device == "mlx5_bond_0"
    assert result.ports[3].layer == "Ethernet"
    assert result.ports[3].kind == "MT41692"
    assert result.ports[3].rate == 200


def test_without_adapters_there_is_none(tmp_path):
    assert rdma(root=tmp_path) == Absent(why="no InfiniBand or RoCE adapter")


def test_odd_files_of_adapters_are_left_out(tmp_path):
    plant(
        tmp_path,
        {
            "proc/uptime": "soon\n",
            "sys/class/infiniband/mlx5_0/ports/1/rate": "fast",
            "sys/class/infiniband/mlx5_0/ports/1/state": "ACTIVE",
        },
    )
    result = rdma(root=tmp_path)
    assert result.uptime is None
    assert [(item.state, item.rate, item.link_downed) for item in result.ports] == [
        ("", None, None)
    ]


def test_a_process_that_hangs_is_found(tmp_path):
    plant(
        tmp_path,
        {
            "proc/935/stat": "935 (nvidia-smi) D 1 935 935 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/935/status": "Name:\tnvidia-smi\nvoluntary_ctxt_switches:\t12\n",
            "proc/66/stat": "66 (nvidia-smi) D 1 66 66 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/66/status": "voluntary_ctxt_switches:\t1\n",
            "proc/66/wchan": "kernel_clone",
            "proc/953/stat": "953 (a) D (b) S 1 953 953 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/2834/stat": "2834 (python3.11) Z 1 2834 2834 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/2836/stat": "2836 (python3.11) Z 1 2836 2836 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/77/stat": "77 (kworker/u2:1) D 1 77 77 0 -1 2129984 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/77/status": "voluntary_ctxt_switches:\t1\n",
            "proc/88/stat": "88 (cut",
            "proc/99/stat": "99 (tar) D 1 99 99 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/self/stat": "935 (x) D 1 935 935 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/meminfo": "MemTotal: 3 kB\n",
        },
    )
    result = processes(
        PciBus(devices=(PciDevice(slot="0", vendor="10de", device="2330", device_class="030200"),)),
        root=tmp_path,
        between=0.0,
    )
    assert result == Processes(count=8, zombies=2, stuck=("nvidia-smi (935)",))


@pytest.mark.parametrize(
    "pci",
    [
        PciBus(devices=()),
        None,
    ],
)
def test_without_a_gpu_processes_are_not_read(pci, tmp_path):
    plant(
        tmp_path,
        {
            "proc/935/stat": "935 (nvidia-smi) D 1 935 935 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/935/status": "Name:\tnvidia-smi\nvoluntary_ctxt_switches:\t12\n",
            "proc/953/stat": "953 (a) D (b) S 1 953 953 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/2834/stat": "2834 (python3.11) Z 1 2834 2834 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/2836/stat": "2836 (python3.11) Z 1 2836 2836 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/77/stat": "77 (kworker/u2:1) D 1 77 77 0 -1 2129984 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/77/status": "voluntary_ctxt_switches:\t1\n",
            "proc/88/stat": "88 (cut",
            "proc/99/stat": "99 (tar) D 1 99 99 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/self/stat": "935 (x) D 1 935 935 0 -1 4194560 120 0 0 0 5 3 0 0 20 0 1 0 100 0 0\n",
            "proc/meminfo": "MemTotal: 3 kB\n",
        },
    )
    assert isinstance(processes(pci, root=tmp_path), Absent)


def test_gpus_of_a_virtual_machine_are_not_counted(tmp_path):
    result = peer_paths(
        PciBus(
            devices=(
                PciDevice(
                    slot="0000:05:00.0",
                    vendor="10de",
                    device="20b5",
                    device_class="030200",
                    driver="vfio-pci",
                ),
                PciDevice(
                    slot="0000:06:00.0",
                    vendor="10de",
                    device="20b5",
                    device_class="030200",
                    driver="vfio-pci",
                ),
            )
        ),
        X86,
        root=tmp_path,
    )
    assert isinstance(result, Absent)
    assert "with two GPUs" in result.why


def test_an_iommu_that_translates_is_found(tmp_path):
    plant(tmp_path, two_gpus(access_control(0), iommu="DMA-FQ"))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == PeerPaths(
        translated=("0000:05:00.0 (DMA-FQ)", "0000:06:00.0 (DMA-FQ)"), redirecting=()
    )


def test_switches_that_redirect_are_found(tmp_path):
    plant(tmp_path, two_gpus(access_control(0x1D), iommu="identity"))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == PeerPaths(
        translated=(), redirecting=("0000:04:08.0", "0000:04:10.0")
    )


def test_switches_that_do_not_redirect_are_left_out(tmp_path):
    plant(tmp_path, two_gpus(access_control(0x01), iommu="identity"))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == PeerPaths(translated=(), redirecting=())


def test_a_kernel_that_does_not_say_is_unknown(tmp_path):
    plant(tmp_path, two_gpus(access_control(0), iommu=""))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == Unknown(
        why="this kernel does not report the mode of its IOMMU"
    )


def test_a_switch_that_sleeps_is_left_out(tmp_path):
    plant(tmp_path, two_gpus(b"\xff" * 300))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == PeerPaths(translated=(), redirecting=())


def test_settings_that_only_root_reads_are_unknown(tmp_path):
    plant(tmp_path, two_gpus(bytes(64)))
    assert peer_paths(TWO_A100, X86, root=tmp_path) == Unknown(
        why="only root can read the settings of PCIe switches"
    )


def test_a_virtual_machine_has_no_paths(tmp_path):
    plant(tmp_path, two_gpus(access_control(0x1D), iommu="DMA", cpu_flags="fpu hypervisor sse"))
    result = peer_paths(TWO_A100, X86, root=tmp_path)
    assert isinstance(result, Absent)
    assert "a virtual machine" in result.why


def test_one_gpu_has_no_path(tmp_path):
    plant(tmp_path, two_gpus(access_control(0x1D), iommu="DMA"))
    result = peer_paths(
        PciBus(
            devices=(
                PciDevice(slot="0000:05:00.0", vendor="10de", device="20b5", device_class="030200"),
            )
        ),
        X86,
        root=tmp_path,
    )
    assert isinstance(result, Absent)
    assert "with two GPUs" in result.why


def test_other_processors_are_not_judged(tmp_path):
    plant(tmp_path, two_gpus(access_control(0x1D), iommu="DMA"))
    result = peer_paths(TWO_A100, Host(os="linux", name="x", machine="aarch64"), root=tmp_path)
    assert isinstance(result, Absent)
    assert "with two GPUs" in result.why


def test_bridges_below_different_roots_redirect_nothing(tmp_path):
    plant(
        tmp_path,
        {
            "proc/cpuinfo": "flags\t\t: fpu sse\n",
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:03:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0"
            ),
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/config": (
                b"\x00" * 256
                + b"\r\x00\x01\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            ),
            "sys/bus/pci/devices/0000:02:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:43:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/config": (
                b"\x00" * 256
                + b"\r\x00\x01\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            ),
            "sys/bus/pci/devices/0000:42:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0"
            ),
        },
    )
    assert peer_paths(TWO_RADEONS, X86, root=tmp_path) == PeerPaths(translated=(), redirecting=())


def test_unreadable_bridges_below_different_roots_are_left_out(tmp_path):
    plant(
        tmp_path,
        {
            "proc/cpuinfo": "flags\t\t: fpu sse\n",
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:03:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0"
            ),
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/config": b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "sys/bus/pci/devices/0000:02:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:43:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/config": b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "sys/bus/pci/devices/0000:42:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0"
            ),
        },
    )
    assert peer_paths(TWO_RADEONS, X86, root=tmp_path) == PeerPaths(translated=(), redirecting=())


def test_a_bridge_between_a_card_and_its_network_adapter_is_found(tmp_path):
    plant(
        tmp_path,
        {
            "proc/cpuinfo": "flags\t\t: fpu sse\n",
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:03:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0"
            ),
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/config": (
                b"\x00" * 256
                + b"\r\x00\x01\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            ),
            "sys/bus/pci/devices/0000:02:00.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0/class": "0x030000\n",
            "sys/bus/pci/devices/0000:43:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/0000:43:00.0"
            ),
            "sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0/config": (
                b"\x00" * 256
                + b"\r\x00\x01\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            ),
            "sys/bus/pci/devices/0000:42:00.0": Link(
                "@root/sys/devices/pci0000:40/0000:40:01.1/0000:41:00.0/0000:42:00.0"
            ),
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0/0000:04:00.0/class": "0x020700\n",
            "sys/class/infiniband/mlx5_0/device": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0/0000:04:00.0"
            ),
            "sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0/config": (
                b"\x00" * 256
                + b"\r\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            ),
            "sys/bus/pci/devices/0000:02:01.0": Link(
                "@root/sys/devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:01.0"
            ),
        },
    )
    assert peer_paths(TWO_RADEONS, X86, root=tmp_path) == PeerPaths(
        translated=(), redirecting=("0000:02:00.0",)
    )
