"""The RAM, or the limit of the container, is small for fine-tuning, or a process was killed for it.

What it means
    Weights pass through the RAM on their way to the GPU, and merging needs them there in full: 15 GB for a 7B
    model in 16 bits, 26 GB for 13B. When a limit is reached, the kernel kills the process: it prints "Killed", or
    nothing.

How it is found
    RAM of the machine, the limit of every control group above this process, and the count of kills in it.

Cures
    A higher limit, swap, fewer DataLoader workers, or a smaller model.

When to ignore it
    Where the job is known to fit.

Seen as
    Killed
    exit code 137
    DataLoader worker (pid 1234) is killed by signal: Killed
    DefaultCPUAllocator: can't allocate memory
"""

from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    Memory,
    Unknown,
    check,
    gib,
    known,
    told,
)

GIB = 1 << 30
LEAST_LIMIT = 4 * GIB
SAID = (
    r"^Killed\b",
    r"exit(?:ed with)? (?:code|status):? (?:137|-9)\b",
    r"killed by signal: Killed",
    r"Signal 9 \(SIGKILL\) received by PID",
    r"DefaultCPUAllocator: can't allocate memory",
    r"^MemoryError\b",
    r"(?:memory cgroup )?out of memory: kill(?:ed)? process \d",
    r"oom-kill:constraint=",
)
TIERS = (
    (
        15,
        "16 GiB is little even for running a 7B model in 16 bits, whose weights are 15 GB",
        "a model of up to 3B",
    ),
    (
        31,
        "enough to run 7B models; 32 GiB is what fine-tuning one takes, merging included",
        "a model of up to 4B",
    ),
    (
        62,
        "enough to fine-tune 7B models; 64 GiB is what 13B and larger ones take",
        "a model of up to 8B",
    ),
)


@check("ram-too-small", "RAM decides which models fit", "note", advice=True)
def ram_too_small(
    memory: Memory | Unknown | None,
    container: Container | Unknown | None,
    host: Host | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Warn of kills and tiny limits; an error text is an error, all else a note below 62 GiB."""
    said = told(errors, *SAID)
    ram = known(memory)
    if said:
        return _ended(said, ram)
    if ram is None:
        return None
    size = ram.usable
    limited = ram.limit is not None and ram.limit < ram.total
    facts = f"{gib(size)} of RAM" + (
        f", the limit in {ram.limit_place}" if limited and ram.limit_place else ""
    )
    if ram.oom_kills or (limited and size < LEAST_LIMIT):
        kills = (
            f"; the kernel has killed {ram.oom_kills} processes in this control group"
            if ram.oom_kills
            else ""
        )
        return Finding(
            title="Processes here were killed for want of RAM"
            if ram.oom_kills
            else "The RAM limit here is very small",
            severity="warning",
            found=f"{facts}{kills}",
            means="loading a model or a DataLoader worker ends with 'Killed', exit code 137, or nothing at all",
            cure=_raise(known(container), known(host)),
            cure_note="or fewer DataLoader workers and a smaller model",
            evidence=(ram.limit_place,) if ram.limit_place else (),
        )
    for limit, fits, deed in TIERS:
        if size < limit * GIB:
            return Finding(
                title=f"RAM of {gib(size)} limits the models that fit",
                found=f"{facts}: {fits}",
                means="loading a larger model ends with 'Killed', exit code 137",
                cure=f"Use {deed}, with weights in safetensors",
                cure_note="swap helps while loading, not while training",
                evidence=(ram.limit_place,) if ram.limit_place else (),
            )
    return None


def _ended(said: str, ram: Memory | None) -> Finding:
    return Finding(
        title="The system ran out of RAM",
        severity="error",
        found=f"the log says '{said}'" + (f"; {gib(ram.usable)} of RAM can be used" if ram else ""),
        means="weights or DataLoader workers need more RAM than there is; the kernel kills the process",
        cure="Load the weights with dtype='auto' and set dataloader_num_workers=0",
        cure_note="torch_dtype in transformers 4; safetensors weights pass through RAM shard by shard",
    )


def _raise(container: Container | None, host: Host | None) -> str:
    kind = container.kind if container else ""
    if kind in ("docker", "podman"):
        return f"{kind} run --memory=32g IMAGE"
    if kind == "kubernetes":
        return "resources: {limits: {memory: 32Gi}}"
    if host is not None and host.wsl:
        return (
            "Set memory=32GB under [wsl2] in %UserProfile%\\.wslconfig, then run wsl.exe --shutdown"
        )
    if kind:
        return "Raise the memory limit of the container to 32 GiB"
    return (
        "sudo fallocate -l 32G /swapfile && sudo chmod 600 /swapfile "
        "&& sudo mkswap /swapfile && sudo swapon /swapfile"
    )
