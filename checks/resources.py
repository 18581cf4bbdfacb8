import math

from tunedoctor import api


@api.check("cpu-quota", uses=(api.Environment,))
def cpu_quota(facts: api.Facts, cpu: api.Cpu) -> api.Finding | None:
    """Report a quota far below the counted cores, unless OMP_NUM_THREADS respects it."""
    granted = max(1, math.ceil(cpu.quota)) if cpu.quota is not None else cpu.usable
    threads = facts.environment.get("OMP_NUM_THREADS")
    heeds = threads is not None and threads.isdigit() and int(threads) <= granted
    if cpu.quota is None or granted * 2 > cpu.usable or heeds:
        return None
    return api.Finding(
        found=f"the quota allows {cpu.quota:g} cores; programs count {cpu.usable}",
        cure=facts.set_variable("OMP_NUM_THREADS", str(granted)),
        cure_note=(
            "in the shell that starts training; also set dataloader_num_workers to at most "
            f"{granted}"
        ),
        evidence=("/sys/fs/cgroup, cpu.max",),
    )


GIB = 1 << 30
MODEL = 20 * GIB
"""A 7B model in bf16 with its tokenizer, and room to unpack."""


@api.check("disk-full", uses=(api.Disks, api.Errors))
def disk_full(facts: api.Facts) -> api.Finding | None:
    """Judge free space: below 1 GiB an error or a warning, below 20 GiB for models a note."""
    error = facts.error_text()
    if error and api.speaks_of_shared_memory(error, facts.errors):
        error = ""
    guess = "" if error else facts.error_text("/guess")
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
        return _report_full_disk(
            facts, worst, error, "error" if for_downloads or error else "warning", other
        )
    if error and "shm" not in error:
        room = "; ".join(f"{api.gib(d.free)} free in {d.path}" for d in disks[:3])
        return api.Finding(
            found=f"the error '{error}'; {room}" if room else f"the error '{error}'",
            cure=_move_folder(facts, "HF_HOME", ""),
            cure_note=(
                "`df -h ~/.cache/huggingface /tmp` shows which disk is full; TMPDIR sets another "
                "temporary folder"
            ),
            settle="df -h . /tmp; df -i ." if guess else "",
            said=error,
        )
    small = next((d for d in low if d.use == "tmp"), None)
    if small:
        return api.Finding(
            title="The temporary folder is small",
            severity="note",
            found=f"{api.gib(small.free)} of {api.gib(small.total)} free for {small.path}",
            means="a large install or download fails with 'No space left on device'",
            cure=_move_folder(facts, small.hint or "TMPDIR", "/var/tmp"),  # noqa: S108  a usual place
            cure_note="in the shell in which you install",
            evidence=(small.path,),
        )
    cache = next((d for d in disks if d.use == "hf-cache" and d.free < MODEL), None)
    if cache:
        return api.Finding(
            title="The model cache has room for at most one 7B model",
            severity="note",
            found=f"{api.gib(cache.free)} free for {cache.path}; a 7B model in bf16 takes 15 GB",
            means="a larger download fails with 'No space left on device'",
            cure=_move_folder(facts, cache.hint or "HF_HOME", other),
            cure_note="in the shell that starts training",
            evidence=(cache.path,),
        )
    return None


FULL_DISK_TITLES = {
    "hf-cache": "The disk with the model cache is full",
    "tmp": "The disk with the temporary folder is full",
    "target": "The disk with the environment is full",
    "work": "The disk with the working folder is full",
}


def _report_full_disk(
    facts: api.Facts, disk: api.Disk, error: str, severity: api.Severity, other: str
) -> api.Finding:
    """Report a full disk; `other` is a folder with room, "" if none is known."""
    found = f"{api.gib(disk.free)} of {api.gib(disk.total)} free for {disk.path}"
    if disk.hint:
        cure = _move_folder(facts, disk.hint, other)
        note = "in the shell that starts training; `hf cache delete` deletes old models"
    else:
        cure = api.tell(f"du -xh --max-depth=2 {disk.path} | sort -h | tail -20")
        note = "lists the largest folders"
    return api.Finding(
        title=FULL_DISK_TITLES[disk.use],
        severity=severity,
        found=f"{found}; the error '{error}'" if error else found,
        means="downloads, installs and checkpoints fail with '[Errno 28] No space left on device'",
        cure=cure,
        cure_note=note,
        evidence=(disk.path,),
        said=error,
    )


def _move_folder(facts: api.Facts, name: str, folder: str) -> api.Cure:
    """Set the variable to a folder with room; if none is known, the user has to choose one."""
    if folder:
        return facts.set_variable(name, folder)
    return api.tell(facts.set_variable(name, "/path/on/a/larger/disk").command)


LOW = 1024
HUGE = 1 << 29


@api.check("file-limit", uses=(api.Container,))
def file_limit(facts: api.Facts, limit: api.FileLimit) -> api.Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        hard = limit.hard if limit.hard >= 0 else "not set"
        return api.Finding(
            title="The limit on open files is low",
            found=f"the limit is {limit.soft} open files, the hard limit is {hard}",
            means=(
                "DataLoader workers fail with 'Too many open files' or 'received 0 items of ancdata'"
            ),
            cure=api.tell(f"ulimit -n {min(65536, limit.hard) if limit.hard > 0 else 65536}"),
            cure_note="in the shell that starts training",
        )
    if facts.container and limit.soft >= HUGE:
        return api.Finding(
            title="The high limit on open files slows the driver's tools",
            found=f"the limit is {limit.soft} open files in a {facts.container.kind} container",
            means="nvidia-smi takes about 20 s, and so does every program that calls it at start",
            cure=api.tell("docker run --ulimit nofile=65536:65536 IMAGE"),
            cure_note=(
                "start a new container this way; it only matters if nvidia-persistenced runs on "
                "the host"
            ),
        )
    return None


LEAST_LIMIT = 4 * GIB
RAM_ENOUGH = 62
"""GiB above which there is no note."""


@api.check("ram-too-small", uses=(api.Container, api.Errors, api.Host, api.Memory, api.Typed))
def ram_too_small(facts: api.Facts) -> api.Finding | None:  # noqa: PLR0911  a case each
    """Warn about kills and tiny limits; an error text is an error, otherwise a note below 62 GiB."""
    if error := facts.error_text():
        return _report_ended_run(facts, error)
    if killed := facts.error_text("/killed"):
        # the kernel counted kills: then it was the RAM
        return (
            _report_ended_run(facts, killed)
            if facts.ram.oom_kills
            else _report_killed_run(facts, killed)
        )
    if guess := facts.error_text("/guess"):
        return _report_ended_run(facts, guess, settle=KERNEL_LOG)
    if silent := facts.error_text("/silent"):
        return _report_silent_end(facts, silent)
    if not facts.ram:
        return None
    size, limit_place = facts.ram.usable, facts.ram.limit_place
    limited = facts.ram.limit is not None and facts.ram.limit < facts.ram.total
    description = f"{api.gib(size)} of RAM"
    if limited and limit_place:
        description += f", the limit in {limit_place}"
    if facts.ram.oom_kills or (limited and size < LEAST_LIMIT):
        return _report_low_limit(facts, description)
    return _ram_note(facts, description) if size < RAM_ENOUGH * GIB else None


KERNEL_LOG = "sudo dmesg | grep -i -E 'out of memory|oom'"
LOAD_LESS = api.advise("Load the weights with dtype='auto' and set dataloader_num_workers=0")
LOAD_LESS_NOTE = (
    "in transformers 4 the argument is torch_dtype; with safetensors, the weights pass through RAM "
    "one shard at a time"
)


def _quote_log(facts: api.Facts, error: str) -> str:
    available = f"; {api.gib(facts.ram.usable)} of RAM are available" if facts.ram else ""
    return f"the log says '{error}'{available}"


def _report_ended_run(facts: api.Facts, error: str, settle: str = "") -> api.Finding:
    return api.Finding(
        title="The system ran out of RAM",
        severity="error",
        found=_quote_log(facts, error),
        means=(
            "weights or DataLoader workers need more RAM than is available, so the kernel kills "
            "the process"
        ),
        cure=LOAD_LESS,
        cure_note=LOAD_LESS_NOTE,
        evidence=(facts.ram.limit_place,),
        settle=settle,
        said=error,
    )


def _report_killed_run(facts: api.Facts, error: str) -> api.Finding:
    return api.Finding(
        title="The process was killed, probably because RAM ran out",
        severity="error",
        found=_quote_log(facts, error),
        means=(
            "the kernel kills a process when RAM is full; but a person, a time limit or a job "
            "manager can kill it too"
        ),
        cure=LOAD_LESS,
        cure_note=LOAD_LESS_NOTE,
        evidence=(facts.ram.limit_place,),
        settle=KERNEL_LOG,
        said=error,
    )


RAISE_LIMIT = {
    "docker": api.tell("docker run --memory=32g IMAGE"),
    "podman": api.tell("podman run --memory=32g IMAGE"),
    "kubernetes": api.advise("resources: {limits: {memory: 32Gi}}"),
}
RAISE_LIMIT_OF_WSL = api.advise(
    "Set memory=32GB under [wsl2] in %UserProfile%\\.wslconfig, then run wsl.exe --shutdown"
)
RAISE_LIMIT_OF_CONTAINER = api.advise("Raise the memory limit of the container to 32 GiB")
ADD_SWAP = api.tell(
    "sudo fallocate -l 32G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
    "sudo swapon /swapfile"
)


def _report_low_limit(facts: api.Facts, description: str) -> api.Finding:
    """Report a very low limit, or that the kernel has killed processes."""
    kills = facts.ram.oom_kills
    if facts.container:
        cure = RAISE_LIMIT.get(facts.container.kind, RAISE_LIMIT_OF_CONTAINER)
    else:
        cure = RAISE_LIMIT_OF_WSL if facts.host.wsl else ADD_SWAP
    if kills:
        title = "The kernel killed processes here because RAM ran out"
        found = f"{description}; the kernel has killed {kills} processes in this control group"
    else:
        title, found = "The RAM limit here is very low", description
    return api.Finding(
        title=title,
        severity="warning",
        found=found,
        cure=cure,
        cure_note="or use fewer DataLoader workers and a smaller model",
        evidence=(facts.ram.limit_place,),
    )


def _ram_note(facts: api.Facts, description: str) -> api.Finding:
    """Name the largest models that can be loaded and merged, from a table made with doctor fit."""
    tiers, size = api.table("what_fits")["tiers"], facts.ram.usable
    merged = [tier for tier in tiers if tier["merging"] * GIB <= size]
    beyond = next((tier for tier in tiers if tier not in merged), None)
    enough = f"enough to merge adapters into models up to {merged[-1]['size']}" if merged else ""
    more = f"{beyond['size']} takes {beyond['merging']:.0f} GiB" if beyond else ""
    fits, most = "; ".join(filter(None, (enough, more))), merged[-1]["size"] if merged else "0.6B"
    return api.Finding(
        title=f"RAM of {api.gib(size)} limits the models that fit",
        found=f"{description}: {fits}",
        means="merging a larger model, or loading it in fp32, ends with 'Killed', exit code 137",
        cure=api.advise(f"Use a model of up to {most}, with weights in safetensors"),
        cure_note="swap helps while the model is loaded, but not during training",
        evidence=(facts.ram.limit_place,),
    )


def _report_silent_end(facts: api.Facts, silent: str) -> api.Finding:
    """Report a load that ended silently: proven if the model is larger than the RAM, else suspected."""
    sized = facts.expression("/sized")
    typed = next((m for c in facts.typed.commands if (m := sized.search(c))), None)
    need = int(float(typed[2]) * 2e9) if typed else 0
    found = silent
    if typed:
        found += f"; {typed[1]} needs {need / 1e9:.0f} GB in 16 bits"
    if facts.ram:
        found += f", and the machine has {api.gib(facts.ram.usable)} of RAM"
    if facts.ram and need > facts.ram.usable:
        settle = ""
    elif facts.host.os == "windows":
        settle = "Get-WinEvent -LogName System -MaxEvents 50 | findstr /i memory"
    else:
        settle = KERNEL_LOG
    return api.Finding(
        title="The system ran out of RAM",
        severity="error",
        found=found,
        means="the weights pass through RAM; when it is full, the process ends without a message",
        cure=api.advise("Load a smaller model, or load this one in 4 bits on a GPU"),
        cure_note=(
            "or add RAM; loading needs the least with safetensors weights and "
            "low_cpu_mem_usage=True"
        ),
        evidence=(facts.ram.limit_place,),
        settle=settle,
    )


SHM_ENOUGH = 1 << 30
"""Bytes that are enough for a few workers."""


@api.check(
    "shm-too-small",
    uses=(api.Container, api.Errors, api.NvidiaGpus, api.SharedMemory, api.TorchBuild),
)
def shm_too_small(facts: api.Facts) -> api.Finding | None:
    """Judge its size in a container; an error text makes it an error, a CPU build without a GPU a note."""
    error = api.shared_memory(facts.errors)
    memory = facts.shared_memory
    small = memory and memory.total < SHM_ENOUGH
    full = memory.free is not None and memory.free < SHM_ENOUGH
    if not (error or (small and facts.container)) or (memory and not small and not full):
        return None
    several = len(facts.nvidia.gpus) > 1
    return api.Finding(
        severity=_shm_severity(facts, error),
        found=_describe_shm(facts, error),
        means=(
            "with num_workers > 0 training crashes with 'Bus error' in the first epoch"
            + ("; NCCL fails with 'unhandled system error'" if several else "")
        ),
        cure=SHM_CURES.get(facts.container.kind, api.tell("docker run --shm-size=8g IMAGE")),
        cure_note=(
            "add this as a volume mounted at /dev/shm in the pod"
            if facts.container.kind == "kubernetes"
            else "start a new container this way; --ipc=host uses the host's shared memory. Until "
            "then, set num_workers=0"
        ),
        evidence=("/dev/shm",) if memory else (),  # noqa: S108  a device
        said=error,
    )


SHM_CURES = {
    "kubernetes": api.tell("emptyDir: {medium: Memory, sizeLimit: 8Gi}"),
    "podman": api.tell("podman run --shm-size=8g IMAGE"),
    "lxc": api.tell("lxc config device add CONTAINER shm disk source=tmpfs: path=/dev/shm"),
}


def _shm_severity(facts: api.Facts, error: str) -> api.Severity | None:
    """Return error if a run failed; note where nothing trains on a GPU; else the check's own."""
    if error:
        return "error"
    return "note" if facts.torch.accelerator == "cpu" and not facts.nvidia.gpus else None


def _describe_shm(facts: api.Facts, error: str) -> str:
    if not facts.shared_memory:
        return f"the error '{error}'"
    found = f"/dev/shm has {api.gib(facts.shared_memory.total)}"  # noqa: S108  a device
    if facts.container:
        found += f" in a {facts.container.kind} container"
    return f"{found}; the error '{error}'" if error else found


VRAM_ENOUGH = 30
"""GiB from which on there is no note."""


@api.check(
    "vram-too-small",
    uses=(api.AmdGpus, api.Environment, api.Errors, api.NvidiaGpus, api.Memory, api.Runtime),
)
def vram_too_small(facts: api.Facts) -> api.Finding | None:
    """Report an error if a run failed this way; otherwise name what fits, below 30 GiB."""
    sure = facts.error_text()
    error = sure or facts.error_text("/guess")
    name, size = _largest_gpu(facts)
    short = api.shortage(facts.errors) if error else None
    if short and (finding := _find_memory_in_use(facts, short, error)):
        return finding
    if error:
        if short and not size:  # the error itself says how large the GPU is
            name, size = "the GPU", short.total
        has = f"; {name} has {api.gib(size)}" if name and size else ""
        return api.Finding(
            title="The job needs more GPU memory than is available",
            severity="error",
            found=f"the error '{error}'{has}",
            cure=api.advise("Set per_device_train_batch_size=1 and gradient_checkpointing=True"),
            cure_note=(
                "if that is not enough, halve max_length, load the weights in 4 bits or use a "
                "smaller model; in a plain multi-GPU run, each GPU holds the whole model"
            ),
            settle="" if sure else "nvidia-smi",
            said=error,
        )
    return _vram_note(facts, name, size) if 0 < size < VRAM_ENOUGH * GIB else None


def _find_memory_in_use(facts: api.Facts, short: api.Shortage, error: str) -> api.Finding | None:
    """Report memory held by other programs, or fragmented in torch's cache."""
    if short.by_others:
        return _report_other_programs(short, error)
    if not short.by_pieces:
        return None
    return api.Finding(
        title="Free GPU memory is split into pieces that are too small",
        severity="error",
        found=(
            f"the error '{error}'; torch has reserved {api.gib(short.unused)} that it does not "
            "use, in pieces"
        ),
        means="training runs out of memory, although enough is free in total",
        cure=facts.set_variable("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
        cure_note=(
            "set it before Python starts; if it is not enough, use smaller batches, or samples of "
            "similar length"
        ),
        said=error,
    )


def _report_other_programs(short: api.Shortage, error: str) -> api.Finding:
    processes = [*map(str, short.processes[:3])]
    found = (
        f"the error '{error}'; of {api.gib(short.total)}, other programs hold "
        f"{api.gib(short.others)}"
    )
    if processes:
        found += f", in process {', '.join(processes)}"
        cure = api.tell(f"kill {processes[0]}")
        note = (
            "ends that program, so save its work first; inside a container the process numbers "
            "differ"
        )
    else:
        cure = api.tell("nvidia-smi")
        note = "lists the programs on each GPU; stop those that use its memory"
    return api.Finding(
        title="Other programs hold the GPU memory that the job needs",
        severity="error",
        found=found,
        means="training fails at a step that would fit on an empty GPU",
        cure=cure,
        cure_note=note,
        said=error,
    )


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
    return api.Finding(
        title=f"GPU memory of {api.gib(size)} limits the models that fit",
        found=f"{name} has {api.gib(size)}: {fits or 'too little for a model of 0.6B'}",
        means="a larger job ends with 'CUDA out of memory'",
        cure=api.advise(f"Use QLoRA for models up to {most}") if most else api.tell("doctor fit"),
        cure_note=(
            f"with sequences of {table['seq']} tokens, batch size 1 and gradient checkpointing; "
            "doctor fit MODEL estimates other cases"
        ),
    )


def _largest_gpu(facts: api.Facts) -> tuple[str, int]:
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
    if not knowledge.old:
        return None
    return api.Finding(
        found=f"the wheel table is of {knowledge.date}, {knowledge.days} days old",
        cure=api.tell("doctor update"),
        cure_note="reads PyTorch's wheel index; without a network, install a newer doctor",
        evidence=(f"{knowledge.source} table",),
    )
