"""An AMD machine that is made up: what the kernel shows of one Radeon, in a mount space of the doctor's own."""

import shlex
from typing import NamedTuple

from gallery import faults
from gallery.damage import mounted
from gallery.place import Place


class Radeon(NamedTuple):
    """An AMD GPU as its kernel module would describe it."""

    device: str
    """PCI device id, four hex digits."""
    target: int
    """gfx_target_version: 100300 is gfx1030."""
    memory: int
    """MiB."""


RX_6800_XT = Radeon("73bf", 100300, 16368)
KFD = "class/kfd/kfd/topology/nodes/1"
NODES = ("null", "zero", "full", "random", "urandom", "tty")


def radeon(place: Place, card: Radeon) -> None:
    """Put a card on the PCI bus, among the processors of KFD, and into /dev."""
    root = place.work.parent / "kernel"
    slot = root / "pci" / "0000:03:00.0"
    slot.mkdir(parents=True)
    for name, value in {"vendor": "1002", "device": card.device, "class": "030000"}.items():
        (slot / name).write_text(f"0x{value}\n")
    (slot / "driver").symlink_to("../../../bus/pci/drivers/amdgpu")
    node = root / KFD
    (node / "mem_banks" / "0").mkdir(parents=True)
    told = {
        "cpu_cores_count": 0,
        "simd_count": 144,
        "gfx_target_version": card.target,
        "device_id": int(card.device, 16),
        "location_id": 768,
        "domain": 0,
        "drm_render_minor": 128,
    }
    (node / "properties").write_text("".join(f"{k} {v}\n" for k, v in told.items()))
    bank = node / "mem_banks" / "0" / "properties"
    bank.write_text(f"heap_type 1\nsize_in_bytes {card.memory << 20}\n")
    drm = root / "class" / "drm" / "renderD128" / "device"
    drm.mkdir(parents=True)
    (drm / "mem_info_vram_total").write_text(f"{card.memory << 20}\n")
    (drm / "vendor").write_text("0x1002\n")
    devices = root / "dev"
    devices.mkdir()
    mounted(place, _commands(*(shlex.quote(str(p)) for p in (root, devices))))


def _commands(root: str, devices: str) -> str:
    return f"""
mount -t tmpfs tmpfs {devices}
mkdir {devices}/dri {devices}/shm {devices}/pts
for one in {" ".join(NODES)}; do : > {devices}/$one; mount --bind /dev/$one {devices}/$one; done
mount --bind /dev/shm {devices}/shm
for one in kfd dri/renderD128; do : > {devices}/$one; mount --bind /dev/null {devices}/$one; done
ln -s /proc/self/fd {devices}/fd
mount --rbind {devices} /dev
mount --bind {root}/pci /sys/bus/pci/devices
mount --bind {root}/class /sys/class
"""


def claims_rocm(place: Place, rocm: str) -> None:
    """Have torch state that it is built for ROCm; the binary stays the CPU's."""
    faults.claims(place, f"2.13.0+rocm{rocm}", f"0.28.0+rocm{rocm}")
    place.alter(
        place.site / "torch" / "version.py",
        lambda t: t.replace("hip: Optional[str] = None", f"hip: Optional[str] = '{rocm}.0'"),
    )
