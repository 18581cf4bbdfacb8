from collections import Counter
from collections.abc import Iterable

from tunedoctor import api


def limit(name: str) -> int:
    """Return a threshold from the table, which also names its source."""
    return int(api.table("node")["limits"][name]["value"])


def _given_part(facts: api.Facts) -> bool:
    script = facts.environment.get("SLURM_SCRIPT_CONTEXT") or ""
    job = facts.environment.get("SLURM_JOB_ID") and not script.startswith(("prolog", "epilog"))
    return bool(facts.container or facts.host.wsl or job)


@api.check("gpu-missing")
def gpu_missing(facts: api.Facts, gpus: api.NvidiaGpus, pci: api.PciBus) -> api.Finding | None:
    """Compare bus, device files and driver; a container or a job of Slurm is given a part of them."""
    offered = {card.slot for card in gpus.gpus}
    if _given_part(facts) or gpus.source != "nvml" or "" in offered:
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
    return facts.worded(":lost" if lost else ":left", counts=counts, slots=lost)


@api.check("amd-gpu-missing")
def amd_gpu_missing(facts: api.Facts, pci: api.PciBus, gpus: api.AmdGpus) -> api.Finding | None:
    """Compare bus, driver and render nodes for the available kinds; others need not compute."""
    offered = {card.slot for card in gpus.gpus}
    cards = [card for card in pci.of("1002") if card.driver in ("amdgpu", "", None)]
    due = {c.slot for c in cards if any(c.device == d.device and d.slot in offered for d in cards)}
    lost, nodes = sorted(due - offered), len(facts.rocm.render_nodes)
    if _given_part(facts) or gpus.told_by or gpus.partial or not (lost or 0 < nodes < len(due)):
        return None
    counts = f"{len(due)} on the PCI bus, {len(offered)} available, {nodes} render nodes"
    return facts.worded(":lost" if lost else ":node", counts=counts, slots=lost)


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
        ahead = sum(_link(peer) > _link(card) for peer in peers)
        fault = len(peers) >= limit("peers") and ahead * 2 > len(peers)
        (faults if fault else notes).extend(
            [f"GPU {card.index} ({card.name}): {', '.join(reduced)}"] if reduced else []
        )
    return (
        facts.worded(":fault" if faults else "", each=faults or notes) if faults or notes else None
    )


def _link(card: api.NvidiaGpu) -> tuple[int, int]:
    return card.pcie_width or 0, card.pcie_generation or 0


@api.check("nvlink-inactive")
def nvlink_inactive(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Compare with the best card of the kind; a card without links has no bridge, unless switches join all."""
    short: list[str] = []
    for card in gpus.gpus:
        active, peers = card.nvlinks_active, [gpu for gpu in gpus.gpus if gpu.name == card.name]
        best = max((peer.nvlinks_active or 0 for peer in peers), default=0)
        joined = facts.pci.nvswitches or any(peer.fabric_state == "completed" for peer in peers)
        if active is not None and active < best and (active or joined) and not card.mig:
            short.append(f"GPU {card.index} ({card.name}): {active} of {best} NVLinks are active")
    return facts.worded(each=short) if short else None


@api.check("xgmi-inactive")
def xgmi_inactive(facts: api.Facts, gpus: api.AmdGpus) -> api.Finding | None:
    """Compare with the best of its kind."""
    counts = sorted((c.gfx, c.xgmi_active, c.index) for c in gpus.gpus if c.xgmi_active is not None)
    best = {gfx: up for gfx, up, _ in counts}
    each = [f"GPU {i}: {up} of {best[gfx]} links are up" for gfx, up, i in counts if up < best[gfx]]
    return facts.worded(each=each) if each else None


@api.check("nvlink-errors")
def nvlink_errors(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Spread the counts, which carry no time, over the time since boot, at least one hour."""
    since, rows = max(facts.rdma.uptime or 1 << 40, 3600), api.table("node")["nvlink_errors"]
    counts = [
        (c, n, r) for c in gpus.gpus for n, r in zip(c.nvlink_errors, rows, strict=False) if n
    ]
    frequent = [(c, n, r) for c, n, r in counts if n * r["seconds"] >= since * r["count"]]
    reported = frequent or [(c, n, r) for c, n, r in counts if r["each"]]
    each = [f"GPU {card.index}: {count} {row['name']}" for card, count, row in reported[:6]]
    return facts.worded(":often" if frequent else "", each=each) if each else None


@api.check("nvswitch-faults")
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
    return facts.worded(":past" if all(well) else "", f":{worst}", each=each[:4]) if worst else None


@api.check("persistence-off")
def persistence_off(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Report it only if no screen keeps the driver loaded."""
    off = [card for card in gpus.gpus if card.persistence is False and card.display is False]
    if not off or facts.host.windows_driver or any("Laptop" in card.name for card in off):
        return None
    return facts.worded(indexes=[str(card.index) for card in off])


@api.check("gpu-process-left")
def gpu_process_left(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Find ended processes that hold memory; in containers and WSL the driver also counts outside ones."""
    if facts.container or facts.host.windows_driver:
        return None
    ended = [(card, process) for card in gpus.gpus for process in card.processes if process.state]
    sizes = [f", {api.gib(process.memory)}" if process.memory else "" for _, process in ended]
    each = [
        f"GPU {card.index}: {process.name or 'process'} ({process.pid}, {process.state}{size})"
        for (card, process), size in zip(ended[:4], sizes, strict=False)
    ]
    zombie = next((process.pid for _, process in ended if process.state == "zombie"), 0)
    return facts.worded(":zombie" if zombie else ":gone", each=each, pid=zombie) if ended else None


OFF = ("", "0", "false", "no", "off")


@api.check("variable-slows-training")
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
    cure, each = facts.set_variable(worst, None), [f"{n}={environment.get(n)}" for n in slowing]
    return facts.worded(means=slowing[worst]["means"], severity=severity, cure=cure, each=each)


def _ports(ports: Iterable[api.RdmaPort]) -> list[str]:
    return [f"{p.device} port {p.port} ({p.state or 'no state'}, {p.physical})" for p in ports]


def _of_kind(port: api.RdmaPort) -> tuple[str, str]:
    return port.layer, port.kind


@api.check("infiniband-down")
def infiniband_down(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Report ports that went down since boot (in a text, any), and ports never up if most of the kind are."""
    works = Counter(_of_kind(port) for port in rdma.ports if port.works)
    every = Counter(map(_of_kind, rdma.ports))
    down = [port for port in rdma.ports if port.state and not port.works]
    fell = [port for port in down if port.link_downed]
    if fell:
        return facts.worded(":fell" if works else ":all", each=_ports(fell))
    never_up = [
        p for p in down if p.layer == "InfiniBand" and works[_of_kind(p)] * 2 > every[_of_kind(p)]
    ]
    # a text has no boot time; the user asks about these ports
    dark = [p for p in down if p.layer == "InfiniBand"] if rdma.uptime is None and not works else []
    return (
        facts.worded(":never" if never_up else ":dark", each=_ports(never_up or dark))
        if never_up or dark
        else None
    )


@api.check("infiniband-slow")
def infiniband_slow(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Compare with the fastest active port of the same kind."""
    up = [port for port in rdma.ports if port.works and port.rate]
    best = {_of_kind(port): port.rate or 0 for port in sorted(up, key=lambda port: port.rate or 0)}
    slow = [port for port in up if (port.rate or 0) < best[_of_kind(port)]]
    each = [f"{p.device} port {p.port}: {p.rate} of {best[_of_kind(p)]} Gb/s" for p in slow]
    return facts.worded(each=each) if each else None


@api.check("infiniband-flaps")
def infiniband_flaps(facts: api.Facts, rdma: api.Rdma) -> api.Finding | None:
    """Spread the count, which carries no time, over the windows since boot."""
    least, windows = limit("flaps"), max((rdma.uptime or 0) / limit("flap-window"), 1)
    many = [port for port in rdma.ports if port.works and (port.link_downed or 0) >= least]
    often = rdma.uptime is not None and any((p.link_downed or 0) / windows >= least for p in many)
    each = [f"{port.device} port {port.port}: {port.link_downed} times" for port in many]
    hours = (rdma.uptime or 0) // 3600
    return facts.worded(":often" if often else "", each=each, hours=hours) if many else None


@api.check("process-hung")
def process_hung(facts: api.Facts, processes: api.Processes) -> api.Finding | None:
    """If the kernel named a process, or it is a driver tool, it is more than a slow disk."""
    logged = facts.kernel_log.hung
    if not processes.stuck:
        return facts.worded(":past", each=logged[-4:]) if logged else None
    is_logged = any(line.startswith(processes.stuck) for line in logged)
    fault = is_logged or any(name.startswith("nvidia") for name in processes.stuck)
    return facts.worded(":fault" if fault else "", each=processes.stuck[:4])


@api.check("zombie-processes")
def zombie_processes(facts: api.Facts, processes: api.Processes) -> api.Finding | None:
    """Compare with the limits that fleet operators use."""
    most = min(limit("zombies"), limit("zombies-per-core") * max(facts.cpu.count, 1))
    return facts.worded(most=most) if processes.zombies > most else None


@api.check("peermem-missing")
def peermem_missing(
    facts: api.Facts, rdma: api.Rdma, module: api.NvidiaModule
) -> api.Finding | None:
    """Only with the proprietary module: the open one can also use dma-buf."""
    ports = any(port.works and port.layer == "InfiniBand" for port in rdma.ports)
    closed = facts.nvidia_driver.open_module is False
    return facts.worded() if ports and closed and module.peermem is False else None


@api.check("peer-traffic-detour")
def peer_traffic_detour(facts: api.Facts, paths: api.PeerPaths) -> api.Finding | None:
    """Only if GPUs have no direct links, or use adapters; GeForce cards have no peer access anyway."""
    links = [c.nvlinks_active for c in facts.nvidia.gpus if "GeForce" not in c.name]
    # data-centre cards have XGMI, which not all drivers report
    links += [c.gfx.startswith("gfx9") for c in facts.amd.gpus]
    meet = any(port.works for port in facts.rdma.ports) or not all(links)
    found = meet and (paths.translated or paths.redirecting)
    return facts.worded(":iommu" if paths.translated else ":acs", paths=paths) if found else None


@api.check("intel-gpu-unhealthy")
def intel_gpu_unhealthy(facts: api.Facts, health: api.IntelHealth) -> api.Finding | None:
    """Use the tool's own verdict."""
    each = (*health.critical, *health.warning)[:4]
    return facts.worded(":critical" if health.critical else "", each=each) if each else None


@api.check("gpu-program-faults")
def gpu_program_faults(facts: api.Facts, kernel_log: api.KernelLog) -> api.Finding | None:
    """Report Xids that the catalogue attributes to the program; with others it is unclear whether the card is fine."""
    of_programs, xids = (
        api.table("xids")["programs"],
        [x for x in kernel_log.xids if not x.of_switch],
    )
    if not xids or any(str(xid.number) not in of_programs for xid in xids):
        return None
    descriptions = [
        f"Xid {x.number} ({of_programs[str(x.number)]['name']}) at {x.slot or 'a GPU'}"
        for x in xids
    ]
    return facts.worded(each=[*dict.fromkeys(descriptions)][:4])
