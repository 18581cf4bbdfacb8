"""Facts about GPUs and their drivers."""

from typing import Literal

from tunedoctor.facts.base import Bytes, Count, Fact, Part


class PciDevice(Part, frozen=True):
    """A display or accelerator device on the PCI bus."""

    slot: str
    """As in 0000:01:00.0."""
    vendor: str
    """Four hex digits: 10de NVIDIA, 1002 AMD, 8086 Intel."""
    device: str
    device_class: str
    """Six hex digits: 030000 VGA, 030200 3D, 120000 accelerator, 068000 bridge (NVSwitch where 10de)."""
    driver: str | None = ""
    """Kernel driver bound to it; empty for none, None where a report does not tell."""
    name: str = ""
    """As a report has it: "GA106 [GeForce RTX 3060]"."""


class PciBus(Fact, frozen=True):
    """Display devices, accelerators and NVSwitches on the PCI bus. Absent: the bus is not visible."""

    devices: tuple[PciDevice, ...]

    def of(self, vendor: str) -> tuple[PciDevice, ...]:
        """GPUs of one vendor (not its NVSwitches)."""
        gpus = (one for one in self.devices if not one.device_class.startswith("0680"))
        return tuple(one for one in gpus if one.vendor == vendor)

    @property
    def nvswitches(self) -> int:
        """Number of NVSwitch bridges."""
        return sum(d.vendor == "10de" and d.device_class.startswith("0680") for d in self.devices)


class NvidiaDriver(Fact, frozen=True):
    """The NVIDIA kernel driver (in WSL: the Windows driver). Absent: none is loaded."""

    version: str
    """As read: "550.144.03", "595.80"."""
    source: str = ""
    cuda: str = ""
    """Newest CUDA version that the driver says it runs: "12.4". Raised by a cuda-compat library."""
    library: str = ""
    """Version of the user-space libraries (libcuda, libnvidia-ml), empty where not found."""
    open_module: bool | None = None
    """Open (True) or proprietary (False) kernel module; None where not told."""


class NvidiaModule(Fact, frozen=True):
    """State of the kernel modules on Linux. Absent: not Linux, or no trace of a driver."""

    loaded: bool
    on_disk: bool | None = False
    """A module for the running kernel lies under /lib/modules; None where a report does not tell."""
    nouveau: bool = False
    secure_boot: bool | None = None
    uvm_loaded: bool | None = None
    missing_nodes: tuple[str, ...] = ()
    """Device files that ought to be there: /dev/nvidiactl, /dev/nvidia0, /dev/nvidia-uvm."""
    denied_nodes: tuple[str, ...] = ()
    """Device files that this user may not open for reading and writing."""
    gpus_in_proc: Count | None = None
    """Folders in /proc/driver/nvidia/gpus; 0 while cards are on the bus: the driver could not start them."""
    nodes: Count | None = None
    """Device files of cards: /dev/nvidia0, /dev/nvidia1 …"""
    peermem: bool | None = None
    """nvidia_peermem is loaded, which lets network adapters reach GPU memory."""


class NvidiaAnswer(Fact, frozen=True):
    """The answers of NVML and nvidia-smi. Absent: neither exists."""

    nvml: str = ""
    """"ok", "missing" (library not found), "error", "hung", "crashed", "nonsense", "not asked"."""
    nvml_code: int | None = None
    """NVML error number: 9 driver not loaded, 12 library not found, 15 GPU lost, 18 version mismatch …"""
    nvml_text: str = ""
    smi: str = ""
    """The same words for nvidia-smi."""
    smi_code: int | None = None
    """Its exit status, which equals the NVML error number."""
    smi_text: str = ""
    """First lines that it printed when it failed."""

    def says(self, code: int) -> bool:
        """Return whether NVML or nvidia-smi answered with the given NVML error."""
        return code in (self.nvml_code, self.smi_code)


class GpuProcess(Part, frozen=True):
    """A process that holds GPU memory."""

    pid: int
    name: str = ""
    memory: Bytes | None = None
    state: str = ""
    """"gone" (no such process), "zombie" (it ended, but its parent did not collect it); "" if it is alive."""


class NvidiaGpu(Part, frozen=True):
    """One NVIDIA GPU. Sizes come from the driver, never from a table; None if it did not report them."""

    index: int
    name: str
    uuid: str = ""
    slot: str = ""
    memory_total: Bytes | None = None
    memory_free: Bytes | None = None
    compute_capability: str = ""
    """"8.9"; empty where neither the driver nor the table could tell."""
    mig: bool | None = None
    mig_instances: Count = 0
    ecc: bool | None = None
    ecc_uncorrected: Count | None = None
    remap_pending: bool = False
    remap_failed: bool = False
    pages_pending: bool = False
    """A faulty page waits to be retired (cards before Ampere)."""
    recovery_action: str = ""
    """What the driver asks for: "", "GPU_RESET", "NODE_REBOOT" …"""
    persistence: bool | None = None
    display: bool | None = None
    performance_state: Count | None = None
    """0 is the fastest; idle cards go to 8 and below, and lower the generation of their link."""
    pcie_width: Count | None = None
    pcie_width_most: Count | None = None
    """Lanes of the link now, and what card and slot together can have."""
    pcie_generation: Count | None = None
    pcie_generation_most: Count | None = None
    nvlinks: Count | None = None
    """NVLinks that the card has; `nvlinks_active` are those that work."""
    nvlinks_active: Count | None = None
    nvlink_errors: tuple[Count | None, ...] = ()
    """Of all its links since the driver was loaded: CRC errors of flits and of data, replays, recoveries; of NVLink 5
    recoveries of running links, packets with errors, recoveries that failed. The rows of `node.json` name them."""
    throttle: tuple[str, ...] = ()
    """Reasons that slow the clocks by fault: hw-slowdown, hw-thermal, sw-thermal, power-brake."""
    temperature: Count | None = None
    """Of the chip, degrees Celsius."""
    clock: Count | None = None
    """Of the multiprocessors at this moment, MHz; `clock_most` is the highest that the card knows."""
    clock_most: Count | None = None
    power: Count | None = None
    """Drawn at this moment, watts; `power_limit` is what the driver enforces."""
    power_limit: Count | None = None
    power_default: Count | None = None
    """Limit that the card comes with, watts."""
    fabric_state: str = ""
    """"completed", "in progress", "not started", "not supported"; empty where not told."""
    fabric_status: str = ""
    driver_model: str = ""
    """Windows: WDDM, TCC or MCDM."""
    unified_memory: bool = False
    """The GPU shares the machine's RAM (Jetson, GB10)."""
    processes: tuple[GpuProcess, ...] = ()


class NvidiaGpus(Fact, frozen=True):
    """The NVIDIA GPUs that the driver offers. Absent: it offers none; Unknown: no tool answered."""

    gpus: tuple[NvidiaGpu, ...]
    source: str = ""
    """nvml, nvidia-smi, torch or a report."""


class Xid(Part, frozen=True):
    """An Xid of the kernel log, or an SXid of an NVSwitch."""

    number: int
    slot: str = ""
    text: str = ""

    @property
    def of_switch(self) -> bool:
        """True if this is an SXid, whose numbers are above 10000."""
        return self.number > 10000


class KernelLog(Fact, frozen=True):
    """GPU lines of the kernel log. Absent: this user may not read it."""

    xids: tuple[Xid, ...] = ()
    fell_off_bus: bool = False
    kfd: tuple[str, ...] = ()
    """Lines of the AMD compute driver that name a refusal."""
    oom_kills: tuple[str, ...] = ()
    hung: tuple[str, ...] = ()
    """Tasks that the kernel found stuck: "python (1234), 122 s"."""


class AmdGpu(Part, frozen=True):
    """One AMD GPU, from the KFD topology or a report."""

    index: int
    gfx: str
    name: str = ""
    slot: str = ""
    memory_total: Bytes | None = None
    integrated: bool = False
    ras_uncorrected: Count | None = None
    """Errors that its blocks could not correct, since the driver was loaded; None where it counts none."""
    ras_blocks: tuple[str, ...] = ()
    """Blocks that count some: umc (memory), sdma, gfx, xgmi_wafl (links) …"""
    throttle: tuple[str, ...] = ()
    xgmi_active: Count | None = None
    """Faults that slow its clocks now: heat, a signal of the board; links to other GPUs that are up."""


class AmdGpus(Fact, frozen=True):
    """AMD GPUs that the kernel offers for computing. Absent: no AMD GPU."""

    gpus: tuple[AmdGpu, ...]
    told_by: str = ""
    """The vendor's tool that named them where /dev/kfd is not there: rocminfo, amd-smi, rocm-smi."""
    partial: bool = False
    """The kernel hides others from this user."""


class RocmStack(Fact, frozen=True):
    """The AMD compute driver and the ROCm around it. Absent: no AMD GPU and no ROCm."""

    kfd: Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]
    """/dev/kfd opened for reading and writing: ok, ENOENT, EACCES or EPERM, EINVAL, ENOMEM."""
    render_denied: tuple[str, ...] = ()
    render_nodes: tuple[str, ...] = ()
    groups_missing: tuple[str, ...] = ()
    """Groups that own the nodes and that this user is not in."""
    version: str = ""
    dxg: bool | None = None
    """WSL: /dev/dxg is there; None where a report does not tell."""
    hsa_libraries: tuple[str, ...] = ()
    driver: str = ""
    """Version of the amdgpu kernel module where it states one."""


class IntelGpu(Fact, frozen=True):
    """Intel GPUs. Absent: none."""

    names: tuple[str, ...]
    discrete: bool
    """An Arc, Flex, Max or Battlemage device, or a Core Ultra iGPU that XPU builds support."""
    render_denied: tuple[str, ...] = ()
    level_zero: bool | None = None
    """libze_loader.so.1 or ze_loader.dll is found; None where not looked for."""


class IntelHealth(Fact, frozen=True):
    """Problems that xpu-smi reports for parts of Intel GPUs. Absent: no such GPU; Unknown: no xpu-smi."""

    critical: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()


class PeerPaths(Fact, frozen=True):
    """Detours of PCIe traffic between GPUs on bare metal. Absent: a virtual machine, or no two equal GPUs."""

    translated: tuple[str, ...]
    redirecting: tuple[str, ...]
    """GPUs whose addresses an IOMMU translates: "0000:07:00.0 (DMA-FQ)"; ports of switches that redirect it (ACS)."""


class AppleGpu(Fact, frozen=True):
    """The GPU of an Apple processor. Absent: not such a machine."""

    name: str
    metal: bool = True
