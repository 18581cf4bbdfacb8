"""Machines that are made up: tools and a library that tell of one NVIDIA GPU, and what the kernel shows of a Radeon."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gallery.place import Place
from planting import plant

SOURCE = Path(__file__).parents[1] / "probes" / "fake_nvml.c"


GPUS = {
    "RTX_4090": ("NVIDIA GeForce RTX 4090", (8, 9), 24564),
    "RTX_5090": ("NVIDIA GeForce RTX 5090", (12, 0), 32607),
    "GTX_1080": ("NVIDIA GeForce GTX 1080", (6, 1), 8192),
}
"""Name, compute capability and MiB of an NVIDIA GPU as its driver would tell."""
CUDA = {390: "9.1", 470: "11.4", 535: "12.2", 550: "12.4", 570: "12.8", 580: "13.0"}
"""Newest CUDA of a driver branch."""
SMI = """
import sys
values = {
    "index": "0", "name": NAME, "driver_version": DRIVER, "compute_cap": CAPABILITY, "uuid": "GPU-1", "memory.total": MEMORY,
    "memory.free": MEMORY - 300, "memory.used": 300, "pci.bus_id": "00000000:01:00.0", "mig.mode.current": "[N/A]",
}
query = next((a.split("=", 1)[1] for a in sys.argv if a.startswith("--query-gpu=")), "")
if query:
    print(", ".join(str(values.get(one.strip(), "[N/A]")) for one in query.split(",")))
else:
    print(f"| NVIDIA-SMI {DRIVER:<22} Driver Version: {DRIVER:<14} CUDA Version: {CUDA:<8} |")
    print(f"|   0  {NAME:<30} Off |   00000000:01:00.0 Off |                  N/A |")
    print(f"|  0%   40C    P8             25W /  320W |     300MiB / {MEMORY}MiB |      0%      Default |")
"""


def smi(place: Place, gpu: str, driver: str) -> None:
    name, capability, memory = GPUS[gpu]
    told = {"NAME": name, "DRIVER": driver, "CUDA": _cuda(driver), "MEMORY": memory}
    told["CAPABILITY"] = ".".join(map(str, capability))
    values = "".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items())
    _program(place, f"#!{sys.executable} -ISE\n{values}{SMI}")


def _cuda(driver: str) -> str:
    return CUDA[int(driver.partition(".")[0])]


def nvidia(place: Place, gpu: str, driver: str) -> None:
    """Put a fake nvidia-smi on PATH and, where there is a C compiler, a fake NVML beside it."""
    smi(place, gpu, driver)
    if compiler := shutil.which("cc") or shutil.which("gcc"):
        name, (major, minor), memory = GPUS[gpu]
        cuda = round(float(_cuda(driver)) * 1000)
        told = {"NAME": f'"{name}"', "DRIVER": f'"{driver}"', "CUDA": cuda, "MAJOR": major}
        told |= {"MINOR": minor, "TOTAL": f"{memory << 20}ULL"}
        folder = place.root / "driver"
        folder.mkdir(exist_ok=True)
        defined = [f"-D{name}={value}" for name, value in told.items()]
        made = ["-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
        subprocess.run([compiler, "-DONE", *defined, *made], check=True)
        prepend(place, folder)


def hung(place: Place) -> None:
    """Put an nvidia-smi on PATH that never answers."""
    _program(place, "#!/bin/sh\nexec sleep 600\n")


def _program(place: Place, text: str) -> None:
    place.bins.append(place.root / "bin")
    plant(place.root, {"bin/nvidia-smi": text})


def prepend(place: Place, folder: Path) -> None:
    before = place.variables.get("LD_LIBRARY_PATH")
    place.variables["LD_LIBRARY_PATH"] = f"{folder}:{before}" if before else str(folder)


def has_nvidia() -> bool:
    """Tell whether this machine has an NVIDIA driver of its own: no other can be made up then."""
    return Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()


def mounted(place: Place, commands: str) -> None:
    """Have shell commands run in a mount space of the doctor's own, before it starts."""
    place.before = ["unshare", "--mount", "/bin/sh", "-ec", f'{commands}\nexec "$@"', "sh"]


def can_mount() -> bool:
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def on_the_bus(place: Place, vendor: str, device: str) -> None:
    """Have a graphics card on the PCI bus that no driver has taken."""
    plant(place.root, _slot("0000:01:00.0", vendor, device))
    mounted(place, f"mount --bind {shlex.quote(str(place.root / 'pci'))} /sys/bus/pci/devices")


def _slot(name: str, vendor: str, device: str) -> dict[str, Any]:
    values = {"vendor": vendor, "device": device, "class": "030000"}
    return {f"pci/{name}/{file}": f"0x{value}\n" for file, value in values.items()}


RADEON = {
    "cpu_cores_count": 0, "simd_count": 144, "gfx_target_version": 100300, "device_id": 0x73BF, "location_id": 768, "domain": 0,
    "drm_render_minor": 128,
}  # fmt: skip
"""An RX 6800 XT, gfx1030."""
MEMORY = 16368 << 20


def radeon(place: Place) -> None:
    """Put a card on the PCI bus, among the processors of KFD, and into /dev."""
    node = "class/kfd/kfd/topology/nodes/1"
    drm = "class/drm/renderD128/device"
    files = _slot("0000:03:00.0", "1002", f"{RADEON['device_id']:x}") | {
        "pci/0000:03:00.0/driver": {"link": "../../../bus/pci/drivers/amdgpu"},
        f"{node}/properties": "".join(f"{k} {v}\n" for k, v in RADEON.items()),
        f"{node}/mem_banks/0/properties": f"heap_type 1\nsize_in_bytes {MEMORY}\n",
        f"{drm}/mem_info_vram_total": f"{MEMORY}\n",
        f"{drm}/vendor": "0x1002\n",
        "dev": None,
    }
    root = plant(place.root / "kernel", files)
    mounted(place, COMMANDS.format(root=shlex.quote(str(root)), dev=shlex.quote(str(root / "dev"))))


COMMANDS = Path(__file__).with_name("radeon.sh").read_text("utf-8")
