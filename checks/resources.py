import math

from tunedoctor import api


@api.check("cpu-quota")
def cpu_quota(facts: api.Facts, cpu: api.Cpu) -> api.Finding | None:
    """Report a quota far below the counted cores, unless OMP_NUM_THREADS respects it."""
    granted = max(1, math.ceil(cpu.quota)) if cpu.quota is not None else cpu.usable
    threads = facts.environment.get("OMP_NUM_THREADS")
    heeds = threads is not None and threads.isdigit() and int(threads) <= granted
    if cpu.quota is None or granted * 2 > cpu.usable or heeds:
        return None
    return facts.worded(quota=f"{cpu.quota:g}", granted=str(granted))


GIB = 1 << 30
MODEL = 20 * GIB
"""A 7B model in bf16 with its tokenizer, and room to unpack."""


@api.check("disk-full")
def disk_full(facts: api.Facts) -> api.Finding | None:
    """Judge free space: below 1 GiB an error or a warning, below 20 GiB for models a note."""
    error = facts.heard()
    if error and api.speaks_of_shared_memory(error, facts.errors):
        error = ""
    guess = "" if error else facts.heard("/guess")
    error = error or guess
    disks = sorted(facts.disks.disks, key=lambda disk: disk.free)
    low = [d for d in disks if d.free < GIB]
    # a small tmpfs that is mostly free is not full
    full = [d for d in low if d.writable and not (d.use == "tmp" and d.free * 2 > d.total)]
    roomy = [d for d in disks if d.writable and d.free >= 2 * MODEL]
    best = max(roomy, key=lambda disk: disk.free, default=None)
    other = f"{best.path}/hf" if best is not None and best.use == "work" else ""
    for_downloads = [d for d in full if d.use in ("hf-cache", "tmp")]
    if worst := next(iter(for_downloads or full), None):
        return facts.worded(
            "" if worst.hint else "/full:shown",
            f"/full:{worst.use}",
            severity="error" if for_downloads or error else "warning",
            said=error,
            cure=_moved(facts, worst.hint, other) if worst.hint else None,
            disk=worst,
        )
    if error and "shm" not in error:
        room = "; ".join(f"{api.gib(d.free)} free in {d.path}" for d in disks[:3])
        cure = _moved(facts, "HF_HOME", "")
        return facts.worded(":guess" if guess else "", said=error, cure=cure, room=room)
    small = next((d for d in low if d.use == "tmp"), None)
    if disk := small or next((d for d in disks if d.use == "hf-cache" and d.free < MODEL), None):
        name, folder = ("TMPDIR", "/var/tmp") if small else ("HF_HOME", other)  # noqa: S108  a usual place
        cure = _moved(facts, disk.hint or name, folder)
        return facts.worded("/small" if small else "/room-for-one", cure=cure, disk=disk)
    return None


def _moved(facts: api.Facts, name: str, folder: str) -> api.Cure:
    """Set the variable to a folder with room; if none is known, the user has to choose one."""
    if folder:
        return facts.set_variable(name, folder)
    return api.tell(facts.set_variable(name, "/path/on/a/larger/disk").command)


LOW = 1024
HUGE = 1 << 29


@api.check("file-limit")
def file_limit(facts: api.Facts, limit: api.FileLimit) -> api.Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        most = min(65536, limit.hard) if limit.hard > 0 else 65536
        return facts.worded("/low", hard=limit.hard if limit.hard >= 0 else "not set", most=most)
    return facts.worded("/huge") if facts.container and limit.soft >= HUGE else None


LEAST_LIMIT = 4 * GIB
RAM_ENOUGH = 62
"""GiB above which there is no note."""


@api.check("ram-too-small")
def ram_too_small(facts: api.Facts) -> api.Finding | None:
    """Warn about kills and tiny limits; an error text is an error, otherwise a note below 62 GiB."""
    error = facts.heard()
    killed = "" if error else facts.heard("/killed")
    if killed and facts.ram.oom_kills:  # the kernel counted it
        error, killed = killed, ""
    guess = "" if error or killed else facts.heard("/guess")
    size = facts.ram.usable
    if error := error or killed or guess:
        keys = ("/ended:killed",) if killed else ("/ended", "/ended:guess" if guess else "")
        return facts.worded(*keys, said=error, size=api.gib(size) if facts.ram else "")
    if silent := facts.heard("/silent"):
        return _silent(facts, silent)
    if not facts.ram:
        return None
    limited = facts.ram.limit is not None and facts.ram.limit < facts.ram.total
    place = facts.ram.limit_place
    description = f"{api.gib(size)} of RAM" + (
        f", the limit in {place}" if limited and place else ""
    )
    kills = facts.ram.oom_kills
    if kills or (limited and size < LEAST_LIMIT):
        return facts.worded(
            ":kills" if kills else ":limit",
            f":{facts.container.kind or ('wsl' if facts.host.wsl else 'bare')}",
            ":container",
            seen=description,
            kills=kills,
        )
    return _ram_note(facts, description) if size < RAM_ENOUGH * GIB else None


def _ram_note(facts: api.Facts, description: str) -> api.Finding:
    """Name the largest models that can be loaded and merged, from a table made with doctor fit."""
    tiers, size = api.table("what_fits")["tiers"], facts.ram.usable
    merged = [tier for tier in tiers if tier["merging"] * GIB <= size]
    beyond = next((tier for tier in tiers if tier not in merged), None)
    enough = f"enough to merge adapters into models up to {merged[-1]['size']}" if merged else ""
    more = f"{beyond['size']} takes {beyond['merging']:.0f} GiB" if beyond else ""
    fits, most = "; ".join(filter(None, (enough, more))), merged[-1]["size"] if merged else ""
    return facts.worded("/note", seen=description, fits=fits, most=most)


def _silent(facts: api.Facts, silent: str) -> api.Finding:
    """Report a load that ended silently: proven if the model is larger than the RAM, else suspected."""
    sized = facts.expression("/sized")
    typed = next((m for c in facts.typed.commands if (m := sized.search(c))), None)
    need = int(float(typed[2]) * 2e9) if typed else 0
    case = "windows" if facts.host.os == "windows" else "else"
    return facts.worded(
        "/silent",
        "" if facts.ram and need > facts.ram.usable else f"/silent:{case}",
        silent=silent,
        model=typed and typed[1],
        need=f"{need / 1e9:.0f} GB",
        size=api.gib(facts.ram.usable) if facts.ram else "",
    )


SHM_ENOUGH = 1 << 30
"""Bytes that are enough for a few workers."""


@api.check("shm-too-small")
def shm_too_small(facts: api.Facts) -> api.Finding | None:
    """Judge its size in a container; an error text makes it an error, a CPU build without a GPU a note."""
    error = api.shared_memory(facts.errors)
    memory = facts.shared_memory
    small = memory and memory.total < SHM_ENOUGH
    full = memory.free is not None and memory.free < SHM_ENOUGH
    if not (error or (small and facts.container)) or (memory and not small and not full):
        return None
    return facts.worded(
        f":{facts.container.kind}",
        ":idle" if facts.torch.accelerator == "cpu" and not facts.nvidia.gpus else "",
        "" if memory else ":unseen",
        said=error,
        several="NCCL" if len(facts.nvidia.gpus) > 1 else "",
    )


VRAM_ENOUGH = 30
"""GiB from which on there is no note."""


@api.check("vram-too-small")
def vram_too_small(facts: api.Facts) -> api.Finding | None:
    """Report an error if a run failed this way; otherwise name what fits, below 30 GiB."""
    sure = facts.heard()
    error = sure or facts.heard("/guess")
    name, size = _largest(facts)
    short = api.shortage(facts.errors) if error else None
    if short and (finding := _memory_in_use(facts, short, error)):
        return finding
    if error:
        if short and not size:  # the error itself says how large the GPU is
            name, size = "the GPU", short.total
        settle, size_text = "" if sure else "nvidia-smi", api.gib(size) if size else ""
        return facts.worded(said=error, settle=settle, name=name, size=size_text)
    return _vram_note(facts, name, size) if 0 < size < VRAM_ENOUGH * GIB else None


def _memory_in_use(facts: api.Facts, short: api.Shortage, error_text: str) -> api.Finding | None:
    """Report memory held by other programs, or fragmented in torch's cache."""
    if not short.by_others:
        return facts.worded("/in-pieces", said=error_text, short=short) if short.by_pieces else None
    who = [*map(str, short.processes[:3])]
    case = "/by-others:told" if who else "/by-others:else"
    first, listing = next(iter(who), ""), ", ".join(who)
    return facts.worded(case, said=error_text, short=short, first=first, who=listing)


def _vram_note(facts: api.Facts, name: str, size: int) -> api.Finding:
    """Name the largest models that fit, from a table made with doctor fit."""
    table = api.table("what_fits")
    methods = {"QLoRA of models": "qlora", "LoRA in 16 bits": "lora", "full": "full"}
    largest = {
        words: next(
            (tier["size"] for tier in reversed(table["tiers"]) if tier[key] * GIB <= size), ""
        )
        for words, key in methods.items()
    }
    fits = ", ".join(f"{words} up to {model}" for words, model in largest.items() if model)
    most = largest["QLoRA of models"]
    case, seq = "/note" if most else "/note:none", table["seq"]
    return facts.worded(case, name=name, size=size, fits=fits, most=most, seq=seq)


def _largest(facts: api.Facts) -> tuple[str, int]:
    """Return name and bytes of the largest GPU; for one that shares the RAM, the RAM."""
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    shared = facts.ram.usable
    sizes = [(c.name, c.memory_total or (shared if c.unified_memory else 0)) for c in cards]
    discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    sizes += [(gpu.name or gpu.gfx, gpu.memory_total or 0) for gpu in discrete]
    sizes = sizes or [(device.name, device.memory_total or 0) for device in facts.runtime.devices]
    return max(sizes, key=lambda name_and_size: name_and_size[1], default=("", 0))


@api.check("knowledge-old")
def knowledge_old(facts: api.Facts, knowledge: api.Knowledge) -> api.Finding | None:
    """Judge by age only: an updated table is as good as a shipped one."""
    return facts.worded() if knowledge.old else None
