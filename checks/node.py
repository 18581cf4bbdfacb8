from collections import Counter
from collections.abc import Iterable

from tunedoctor import api


def limit(name: str) -> int:
    """Return a threshold from the table, which also names its source."""
    return int(api.table("node")["limits"][name]["value"])


def _has_part_of_node(facts: api.Facts) -> bool:
    script = facts.environment.get("SLURM_SCRIPT_CONTEXT") or ""
    job = facts.environment.get("SLURM_JOB_ID") and not script.startswith(("prolog", "epilog"))
    return bool(facts.container or facts.host.wsl or job)


REBOOT = api.tell("sudo reboot", "reboot")
RESET_ALL = api.tell("sudo nvidia-smi --gpu-reset")
STOP_ALL = "needs root; stop every program on all GPUs first"
CHECK_CARD = "If a reboot does not help: check power cable and seating, or replace the card"
ON_BUS = "/sys/bus/pci/devices"


@api.check("gpu-missing", uses=(api.Container, api.Environment, api.Host, api.NvidiaModule))
def gpu_missing(facts: api.Facts, gpus: api.NvidiaGpus, pci: api.PciBus) -> api.Finding | None:
    """Compare bus, device files and driver; a container or a job of Slurm is given a part of them."""
    offered = {card.slot for card in gpus.gpus}
    if _has_part_of_node(facts) or gpus.source != "nvml" or "" in offered:
        return None
    cards = pci.of("10de")
    bound = {card.device for card in cards if card.driver == "nvidia"}
    # the driver gave up a card of the same kind that has no driver
    due = {c.slot for c in cards if c.driver == "nvidia" or (not c.driver and c.device in bound)}
    lost = sorted(due - offered) if len(due) > len(gpus.gpus) else []
    nodes = facts.nvidia_module.nodes
    if not lost and (nodes or 0) <= len(cards):
        return None
    files = f", {nodes} device files" if nodes is not None else ""
    counts = f"{len(cards)} on the PCI bus, {len(gpus.gpus)} available through the driver{files}"
    gone = "" if lost else "A GPU is gone from the PCI bus"
    missing = f"not available: {api.listed(lost)}" if lost else "a device file exists without a GPU"
    return api.Finding(
        title=gone,
        severity="error" if lost else "warning",
        found=f"NVIDIA GPUs: {counts}; {missing}",
        cure=REBOOT,
        cure_note=(
            "needs root; the log says why the GPU is missing: sudo dmesg | grep -i nvrm. "
            f"{CHECK_CARD}"
        ),
        evidence=(ON_BUS, "/dev", "NVML"),
    )


@api.check("amd-gpu-missing", uses=(api.Container, api.Environment, api.Host, api.RocmStack))
def amd_gpu_missing(facts: api.Facts, pci: api.PciBus, gpus: api.AmdGpus) -> api.Finding | None:
    """Compare bus, driver and render nodes for the available kinds; others need not compute."""
    offered = {card.slot for card in gpus.gpus}
    cards = [card for card in pci.of("1002") if card.driver in ("amdgpu", "", None)]
    due = {c.slot for c in cards if any(c.device == d.device and d.slot in offered for d in cards)}
    lost, nodes = sorted(due - offered), len(facts.rocm.render_nodes)
    if (
        _has_part_of_node(facts)
        or gpus.told_by
        or gpus.partial
        or not (lost or 0 < nodes < len(due))
    ):
        return None
    counts = f"{len(due)} on the PCI bus, {len(offered)} available, {nodes} render nodes"
    missing = f"not available: {api.listed(lost)}" if lost else "one card has no device file"
    return api.Finding(
        severity="error",
        found=f"AMD GPUs: {counts}; {missing}",
        cure=REBOOT,
        cure_note=(
            "needs root; the log says why the GPU is missing: sudo dmesg | grep -iE 'amdgpu|kfd'. "
            f"{CHECK_CARD}"
        ),
        evidence=(ON_BUS, "/sys/class/kfd", "/dev/dri"),
    )


@api.check("gpu-link-reduced")
def gpu_link_reduced(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Compare lanes always, the generation only in the fastest state; a fault if most cards of the kind have more."""
    notes, faults = list[str](), list[str]()
    for card in gpus.gpus:
        links = [("{} of {} lanes", card.pcie_width or 0, card.pcie_width_most or 0)]
        if card.performance_state == 0:
            now, most = card.pcie_generation or 0, card.pcie_generation_most or 0
            links.append(("generation {} of {}", now, most))
        reduced = [words.format(now, most) for words, now, most in links if 0 < now < most]
        peers = [gpu for gpu in gpus.gpus if gpu.name == card.name]
        ahead = sum(_link_limit(peer) > _link_limit(card) for peer in peers)
        fault = len(peers) >= limit("peers") and ahead * 2 > len(peers)
        (faults if fault else notes).extend(
            [f"GPU {card.index} ({card.name}): {', '.join(reduced)}"] if reduced else []
        )
    if faults:
        return api.Finding(
            title="A GPU's PCIe link is slower than those of its peers",
            severity="warning",
            found=api.listed(faults),
            cure=api.advise(
                "Drain this machine and have the card, its riser and its slot examined", "root"
            ),
            cure_note="most GPUs of this model in this machine have the full link",
            evidence=("NVML, PCIe link",),
        )
    if notes:
        return api.Finding(
            found=api.listed(notes),
            cure=api.advise(
                "Look up the lanes of that slot in the board's manual; reseat the card, or use "
                "another slot",
                "root",
            ),
            cure_note=(
                "switch the machine off first; afterwards, under load, nvidia-smi -q -d PERFORMANCE "
                "shows the link"
            ),
            evidence=("NVML, PCIe link",),
        )
    return None


def _link_limit(card: api.NvidiaGpu) -> tuple[int, int]:
    return card.pcie_width or 0, card.pcie_generation or 0


@api.check("nvlink-inactive", uses=(api.PciBus,))
def nvlink_inactive(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Compare with the best card of the kind; a card without links has no bridge, unless switches join all."""
    short: list[str] = []
    for card in gpus.gpus:
        active, peers = card.nvlinks_active, [gpu for gpu in gpus.gpus if gpu.name == card.name]
        best = max((peer.nvlinks_active or 0 for peer in peers), default=0)
        joined = facts.pci.nvswitches or any(peer.fabric_state == "completed" for peer in peers)
        if active is not None and active < best and (active or joined) and not card.mig:
            short.append(f"GPU {card.index} ({card.name}): {active} of {best} NVLinks are active")
    if not short:
        return None
    return api.Finding(
        found=api.listed(short),
        cure=RESET_ALL,
        cure_note=f"{STOP_ALL}; if the problem returns, check bridge, board and card",
        evidence=("NVML, NVLink state",),
    )


@api.check("xgmi-inactive")
def xgmi_inactive(facts: api.Facts, gpus: api.AmdGpus) -> api.Finding | None:
    """Compare with the best of its kind."""
    counts = sorted((c.gfx, c.xgmi_active, c.index) for c in gpus.gpus if c.xgmi_active is not None)
    best = {gfx: up for gfx, up, _ in counts}
    each = [f"GPU {i}: {up} of {best[gfx]} links are up" for gfx, up, i in counts if up < best[gfx]]
    if not each:
        return None
    return api.Finding(
        found=api.listed(each),
        cure=REBOOT,
        cure_note="needs root; if the problem comes back, the board or the card is faulty",
        evidence=("/sys/bus/pci/devices, gpu_metrics",),
    )


@api.check("nvlink-errors", uses=(api.Rdma,))
def nvlink_errors(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Spread the counts, which carry no time, over the time since boot, at least one hour."""
    since, rows = max(facts.rdma.uptime or 1 << 40, 3600), api.table("node")["nvlink_errors"]
    counts = [
        (c, n, r) for c in gpus.gpus for n, r in zip(c.nvlink_errors, rows, strict=False) if n
    ]
    frequent = [(c, n, r) for c, n, r in counts if n * r["seconds"] >= since * r["count"]]
    reported = frequent or [(c, n, r) for c, n, r in counts if r["each"]]
    each = [f"GPU {card.index}: {count} {row['name']}" for card, count, row in reported[:6]]
    if not each:
        return None
    found = f"{api.listed(each)} since the driver was loaded"
    if frequent:
        return api.Finding(
            title="NVLinks of a GPU have too many errors",
            severity="warning",
            found=found,
            cure=RESET_ALL,
            cure_note=f"{STOP_ALL}; if the counts grow again, check bridge, board and card",
            evidence=("NVML, NVLink error counters",),
        )
    return api.Finding(
        found=found,
        cure=api.tell("nvidia-smi nvlink -e"),
        cure_note=(
            "run it again in an hour: only counts that grow matter; a reset of all GPUs sets them "
            "to 0"
        ),
        evidence=("NVML, NVLink error counters",),
    )


@api.check("nvswitch-faults", uses=(api.NvidiaGpus,))
def nvswitch_faults(facts: api.Facts, kernel_log: api.KernelLog) -> api.Finding | None:
    """Report the worst first, by the driver and the manual; if all links are up again it is over."""
    rows, ranks = api.table("xids")["switches"], api.table("xids")["worst_first"]
    rows_and_xids = [
        (rows.get(str(xid.number), {}), xid) for xid in kernel_log.xids if xid.of_switch
    ]
    asks = [
        (row.get("asks") or xid.text.partition(",")[0].lower(), xid) for row, xid in rows_and_xids
    ]
    worst = next((rank for rank in ranks if rank in dict(asks)), "")
    each = [f"SXid {x.number} at {x.slot}: {x.text}" for action, x in asks if action == worst]
    well = [c.nvlinks and c.nvlinks == c.nvlinks_active for c in facts.nvidia.gpus] or [False]
    return _report_switch_fault(worst, api.listed(each[:4]), past=all(well)) if worst else None


def _report_switch_fault(worst: str, found: str, *, past: bool) -> api.Finding:
    """Report the worst fault of switches; `past`: all links are up again."""
    if_reset_fails = "if the reset fails, reboot"
    title = means = ""
    cure, note = REBOOT, "needs root"
    severity: api.Severity = "warning"
    if worst == "system":
        title, severity = "An NVSwitch had a fault that is fatal to all GPUs", "error"
        means = "no job on several GPUs runs until the machine is rebooted"
    elif worst == "fatal":
        title, severity = "An NVSwitch had a fatal fault", "error"
        cure, note = RESET_ALL, f"{STOP_ALL}; {if_reset_fails}"
    elif worst == "restart":
        cure = RESET_ALL
        note = f"only if the job that ran at that time hangs or has ended; {STOP_ALL}; {if_reset_fails}"
    elif worst == "heat":
        title = "An NVSwitch was too hot"
        means = (
            "a switch that is too hot slows its links down, and with them the training on all GPUs"
        )
        cure = api.advise(
            "Clean the fans and filters, and check the airflow and the room's temperature", "root"
        )
        note = "the kernel log keeps the entry until the next boot"
    return api.Finding(
        title=title,
        severity="warning" if past else severity,
        found=found,
        means=means,
        cure=cure,
        cure_note=note,
        evidence=("kernel log",),
    )


@api.check("persistence-off", uses=(api.Host,))
def persistence_off(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Report it only if no screen keeps the driver loaded."""
    off = [card for card in gpus.gpus if card.persistence is False and card.display is False]
    if not off or facts.host.windows_driver or any("Laptop" in card.name for card in off):
        return None
    indexes = api.listed(str(card.index) for card in off)
    return api.Finding(
        found=f"GPU {indexes}: persistence mode is off, and no screen keeps the driver loaded",
        cure=api.tell("sudo systemctl enable --now nvidia-persistenced"),
        cure_note="until the next boot only: sudo nvidia-smi -pm 1",
        evidence=("NVML, persistence mode",),
    )


@api.check(
    "gpu-process-left",
    uses=(
        api.Container,
        api.Host,
    ),
)
def gpu_process_left(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Find ended processes that hold memory; in containers and WSL the driver also counts outside ones."""
    if facts.container or facts.host.windows_driver:
        return None
    dead = [(card, process) for card in gpus.gpus for process in card.processes if process.state]
    sizes = [f", {api.gib(process.memory)}" if process.memory else "" for _, process in dead]
    each = [
        f"GPU {card.index}: {process.name or 'process'} ({process.pid}, {process.state}{size})"
        for (card, process), size in zip(dead[:4], sizes, strict=False)
    ]
    zombie = next((process.pid for _, process in dead if process.state == "zombie"), 0)
    if not dead:
        return None
    if zombie:
        cure = api.tell(f"ps -o ppid= -p {zombie}", "root")
        note = (
            "prints the process ID of the parent: stop that process; if it is 1, reset the GPU: sudo "
            "nvidia-smi --gpu-reset -i N"
        )
    else:
        cure = api.tell("sudo fuser -v /dev/nvidia*")
        note = (
            "needs root; lists the programs that still have the GPUs open: stop them; if there are "
            "none, sudo nvidia-smi --gpu-reset -i N"
        )
    return api.Finding(
        found=api.listed(each), cure=cure, cure_note=note, evidence=("NVML", "/proc")
    )


OFF = ("", "0", "false", "no", "off")


@api.check("variable-slows-training", uses=(api.Errors, api.Rdma))
def variable_slows_training(facts: api.Facts, environment: api.Environment) -> api.Finding | None:
    """Decide by the table, worst first."""
    ports = any(port.works and port.layer == "InfiniBand" for port in facts.rdma.ports)
    slowing: dict[str, dict[str, str]] = {}
    for name, row in api.table("node")["variables"].items():
        value = environment.get(name)
        counts = value in row["values"] if "values" in row else (value or "").lower() not in OFF
        if value is not None and counts and (ports or row.get("needs") != "rdma"):
            slowing[name] = row
    worst = min(slowing, key=lambda name: slowing[name]["severity"] != "warning", default="")
    if not worst or facts.errors.errors:  # after a failed run, they were set to find out why
        return None
    severity: api.Severity = "warning" if slowing[worst]["severity"] == "warning" else "note"
    return api.Finding(
        severity=severity,
        found=api.listed(f"{name}={environment.get(name)}" for name in slowing),
        means=slowing[worst]["means"],
        cure=facts.set_variable(worst, None),
        cure_note=(
            "also remove it where it is set: the shell's startup file, the job script or the image"
        ),
        evidence=("environment",),
    )


def _list_ports(ports: Iterable[api.RdmaPort]) -> str:
    return api.listed(
        f"{p.device} port {p.port} ({p.state or 'no state'}, {p.physical})" for p in ports
    )


def _port_kind(port: api.RdmaPort) -> tuple[str, str]:
    return port.layer, port.kind


@api.check("infiniband-down")
def infiniband_down(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Report ports that went down since boot (in a text, any), and ports never up if most of the kind are."""
    works = Counter(_port_kind(port) for port in rdma.ports if port.works)
    every = Counter(map(_port_kind, rdma.ports))
    down = [port for port in rdma.ports if port.state and not port.works]
    fell = [port for port in down if port.link_downed]
    if fell:
        return (
            _report_port_down(f"was up and is now down: {_list_ports(fell)}", severity="error")
            if works
            else _report_port_down(
                f"no port is active; was up and is now down: {_list_ports(fell)}"
            )
        )
    never_up = [
        p
        for p in down
        if p.layer == "InfiniBand" and works[_port_kind(p)] * 2 > every[_port_kind(p)]
    ]
    # a text has no boot time; the user asks about these ports
    dark = [p for p in down if p.layer == "InfiniBand"] if rdma.uptime is None and not works else []
    if never_up:
        return _report_port_down(
            "never up since boot, while most ports of this kind are up: " + _list_ports(never_up),
            severity="note",
            title="An InfiniBand port was never up",
            means=(
                "training on several machines has one port less than the other ports of this "
                "machine suggest"
            ),
        )
    if dark:
        return _report_port_down(
            f"none of the ports is active: {_list_ports(dark)}", source="ibstat"
        )
    return None


def _report_port_down(
    found: str,
    *,
    severity: api.Severity = "warning",
    title: str = "",
    means: str = "",
    source: str = "/sys/class/infiniband",
) -> api.Finding:
    return api.Finding(
        title=title,
        severity=severity,
        found=found,
        means=means,
        cure=api.tell("sudo ibstat"),
        cure_note=(
            "check cable, transceiver and switch port; if the physical state is LinkUp but the "
            "state is not ACTIVE, check the subnet manager"
        ),
        evidence=(source,),
    )


@api.check("infiniband-slow")
def infiniband_slow(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Compare with the fastest active port of the same kind."""
    up = [port for port in rdma.ports if port.works and port.rate]
    best = {
        _port_kind(port): port.rate or 0 for port in sorted(up, key=lambda port: port.rate or 0)
    }
    slow = [port for port in up if (port.rate or 0) < best[_port_kind(port)]]
    each = [f"{p.device} port {p.port}: {p.rate} of {best[_port_kind(p)]} Gb/s" for p in slow]
    if not each:
        return None
    return api.Finding(
        found=api.listed(each),
        cure=api.tell("sudo iblinkinfo"),
        cure_note=(
            "shows the lanes and the speed of both ends; reseat or replace the cable and the "
            "transceiver"
        ),
        evidence=("/sys/class/infiniband",),
    )


@api.check("infiniband-flaps")
def infiniband_flaps(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Spread the count, which carries no time, over the windows since boot."""
    least, windows = limit("flaps"), max((rdma.uptime or 0) / limit("flap-window"), 1)
    many = [port for port in rdma.ports if port.works and (port.link_downed or 0) >= least]
    often = rdma.uptime is not None and any((p.link_downed or 0) / windows >= least for p in many)
    if not many:
        return None
    each = api.listed(f"{port.device} port {port.port}: {port.link_downed} times" for port in many)
    hours = (rdma.uptime or 0) // 3600
    return api.Finding(
        severity="warning" if often else "note",
        found=(
            f"{each} in {hours} hours since boot"
            if often
            else f"{each} since the driver was loaded"
        ),
        cure=api.tell("sudo dmesg | grep -iE 'link (down|up)|mlx5'"),
        cure_note="shows when the link went down; then check cable, transceiver and switch port",
        evidence=("/sys/class/infiniband, link_downed",),
    )


@api.check("process-hung", uses=(api.KernelLog,))
def process_hung(facts: api.Facts, processes: api.Processes) -> api.Finding | None:
    """If the kernel named a process, or it is a driver tool, it is more than a slow disk."""
    logged = facts.kernel_log.hung
    stack = api.tell("sudo cat /proc/PID/stack")
    waits_for = "needs root; shows what it waits for: a file system (nfs, ext4) or a driver (nvidia, amdgpu)"
    if not processes.stuck:
        if not logged:
            return None
        return api.Finding(
            title="The kernel log names processes that hung",
            found=f"blocked since boot: {api.listed(logged[-4:])}",
            cure=stack,
            cure_note=waits_for,
            evidence=("kernel log",),
        )
    is_logged = any(line.startswith(processes.stuck) for line in logged)
    fault = is_logged or any(name.startswith("nvidia") for name in processes.stuck)
    return api.Finding(
        severity="warning" if fault else "note",
        found=api.listed(processes.stuck[:4]),
        cure=REBOOT if fault else stack,
        cure_note="needs root; nothing else ends the process" if fault else waits_for,
        evidence=("/proc",),
    )


@api.check("zombie-processes", uses=(api.Cpu,))
def zombie_processes(facts: api.Facts, processes: api.Processes) -> api.Finding | None:
    """Compare with the limits that fleet operators use."""
    most = min(limit("zombies"), limit("zombies-per-core") * max(facts.cpu.count, 1))
    zombies, count = processes.zombies, processes.count
    if zombies <= most:
        return None
    return api.Finding(
        found=f"{zombies} of {count} processes are zombies; at most {most} are tolerated",
        cure=api.tell(
            "ps -eo ppid,stat | awk '$2 ~ /Z/ {print $1}' | sort | uniq -c | sort -n | tail", "root"
        ),
        cure_note="lists the parents: end or restart them; for containers: docker run --init",
        evidence=("/proc",),
    )


@api.check("peermem-missing", uses=(api.NvidiaDriver,))
def peermem_missing(
    facts: api.Facts, rdma: api.Rdma, module: api.NvidiaModule
) -> api.Finding | None:
    """Only with the proprietary module: the open one can also use dma-buf."""
    ports = any(port.works and port.layer == "InfiniBand" for port in rdma.ports)
    closed = facts.nvidia_driver.open_module is False
    if not ports or not closed or module.peermem is not False:
        return None
    return api.Finding(
        found=(
            "InfiniBand ports are active, the driver's kernel module is the proprietary one, and "
            "nvidia_peermem is not loaded"
        ),
        cure=api.tell("sudo modprobe nvidia_peermem"),
        cure_note=(
            "to load it at each boot, put a line nvidia_peermem into "
            "/etc/modules-load.d/nvidia.conf"
        ),
        evidence=("/sys/module",),
    )


@api.check("peer-traffic-detour", uses=(api.AmdGpus, api.NvidiaGpus, api.Rdma))
def peer_traffic_detour(facts: api.Facts, paths: api.PeerPaths) -> api.Finding | None:
    """Only if GPUs have no direct links, or use adapters; GeForce cards have no peer access anyway."""
    links = [c.nvlinks_active for c in facts.nvidia.gpus if "GeForce" not in c.name]
    # data-centre cards have XGMI, which not all drivers report
    links += [c.gfx.startswith("gfx9") for c in facts.amd.gpus]
    meet = any(port.works for port in facts.rdma.ports) or not all(links)
    if not meet:
        return None
    redirects = f"ACS redirects at PCIe port {api.listed(paths.redirecting)}"
    evidence = ("/sys/kernel/iommu_groups", "/sys/bus/pci/devices/*/config")
    if paths.translated:
        also = f"; {redirects}" if paths.redirecting else ""
        return api.Finding(
            found=f"an IOMMU translates for GPU {api.listed(paths.translated)}{also}",
            cure=api.tell("sudo grubby --update-kernel=ALL --args=iommu=pt", "reboot"),
            cure_note=(
                "then reboot; on Debian and Ubuntu add iommu=pt to GRUB_CMDLINE_LINUX in "
                "/etc/default/grub and run sudo update-grub"
            ),
            evidence=evidence,
        )
    if paths.redirecting:
        return api.Finding(
            found=redirects,
            cure=api.tell("sudo setpci -s PORT ECAP_ACS+6.w=0"),
            cure_note=(
                "replace PORT with each port in turn; repeat at each boot, or switch ACS off in the "
                "firmware's setup; not on hosts that pass devices to virtual machines"
            ),
            evidence=evidence,
        )
    return None


@api.check("intel-gpu-unhealthy")
def intel_gpu_unhealthy(facts: api.Facts, health: api.IntelHealth) -> api.Finding | None:
    """Use the tool's own verdict."""
    each = (*health.critical, *health.warning)[:4]
    if not each:
        return None
    cure = api.advise("Check airflow and power supply; for memory errors, reset the GPU", "root")
    if health.critical:
        cure = api.advise(
            "Take that GPU out of service and reset it; if the problem remains, have it replaced"
        )
    return api.Finding(
        severity="error" if health.critical else "warning",
        found=api.listed(each),
        cure=cure,
        cure_note="to reset it: sudo xpu-smi config -d 0 --reset, while no program uses the GPU",
        evidence=("xpu-smi health",),
    )


@api.check("gpu-program-faults")
def gpu_program_faults(facts: api.Facts, kernel_log: api.KernelLog) -> api.Finding | None:
    """Report Xids that the catalogue attributes to the program; with others it is unclear whether the card is fine."""
    of_programs = api.table("xids")["programs"]
    xids = [xid for xid in kernel_log.xids if not xid.of_switch]
    if not xids or any(str(xid.number) not in of_programs for xid in xids):
        return None
    descriptions = [
        f"Xid {x.number} ({of_programs[str(x.number)]['name']}) at {x.slot or 'a GPU'}"
        for x in xids
    ]
    return api.Finding(
        found=api.listed([*dict.fromkeys(descriptions)][:4]),
        cure=api.tell("compute-sanitizer python train.py"),
        cure_note=(
            "only if it happens again: names the GPU kernel that fails; the GPU itself needs no "
            "repair"
        ),
        evidence=("kernel log",),
    )
