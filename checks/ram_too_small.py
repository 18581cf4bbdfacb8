from msgspec import structs

from tunedoctor.api import (
    Container,
    Cure,
    Errors,
    Finding,
    Host,
    Known,
    Memory,
    Typed,
    advise,
    check,
    expression,
    gib,
    heard,
    table,
    tell,
    worded,
)

GIB = 1 << 30
LEAST_LIMIT = 4 * GIB
ENOUGH = 62
"""GiB from which on there is no note."""


@check("ram-too-small")
def ram_too_small(
    memory: Known[Memory],
    container: Known[Container],
    host: Known[Host],
    errors: Known[Errors],
    typed: Known[Typed],
) -> Finding | None:
    """Warn of kills and tiny limits; an error text is an error, all else a note below 62 GiB."""
    said = heard(errors, "ram-too-small")
    guess = "" if said else heard(errors, "ram-too-small/guess")
    if said or guess:
        return _ended(said, memory) if said else _guessed(guess, memory)
    if silent := heard(errors, "ram-too-small/silent"):
        return _silent(silent, memory, typed, host)
    if memory is None:
        return None
    size = memory.usable
    limited = memory.limit is not None and memory.limit < memory.total
    facts = f"{gib(size)} of RAM" + (
        f", the limit in {memory.limit_place}" if limited and memory.limit_place else ""
    )
    if memory.oom_kills or (limited and size < LEAST_LIMIT):
        kills = (
            f"; the kernel has killed {memory.oom_kills} processes in this control group"
            if memory.oom_kills
            else ""
        )
        return worded(
            "ram-too-small",
            title="Processes here were killed for want of RAM"
            if memory.oom_kills
            else "The RAM limit here is very small",
            found=f"{facts}{kills}",
            cure=_raise(container, host),
            evidence=(memory.limit_place,) if memory.limit_place else (),
        )
    return _note(size, facts, memory) if size < ENOUGH * GIB else None


def _note(size: int, facts: str, ram: Memory) -> Finding:
    """Name the largest models that can be loaded and merged, by the table that doctor fit's own reckoning gave."""
    tiers = table("what_fits")["tiers"]
    merged = [tier for tier in tiers if tier["merging"] * GIB <= size]
    beyond = next((tier for tier in tiers if tier not in merged), None)
    enough = f"enough to merge adapters into models up to {merged[-1]['size']}" if merged else ""
    more = f"{beyond['size']} takes {beyond['merging']:.0f} GiB" if beyond else ""
    return worded(
        "ram-too-small/note",
        found=f"{facts}: {'; '.join(one for one in (enough, more) if one)}",
        cure=advise(
            f"Use a model of up to {merged[-1]['size'] if merged else '0.6B'}, with weights in safetensors"
        ),
        evidence=(ram.limit_place,) if ram.limit_place else (),
        size=gib(size),
    )


def _ended(said: str, ram: Memory | None) -> Finding:
    return worded(
        "ram-too-small/ended",
        found=f"the log says '{said}'" + (f"; {gib(ram.usable)} of RAM can be used" if ram else ""),
        said=said,
    )


def _guessed(said: str, ram: Memory | None) -> Finding:
    settle = "sudo dmesg | grep -i -E 'out of memory|oom'"
    return structs.replace(_ended(said, ram), settle=settle)


def _silent(silent: str, ram: Memory | None, typed: Typed | None, host: Host | None) -> Finding:
    """Tell of a load that ended without a word: proved where the model is larger than the RAM, else suspected."""
    model, billions = _model(typed)
    need = int(billions * 2e9)
    larger = ram is not None and need > ram.usable
    windows = host is not None and host.os == "windows"
    return worded(
        "ram-too-small/silent",
        ""
        if larger
        else "ram-too-small/silent:windows"
        if windows
        else "ram-too-small/silent:else",
        found=silent
        + (f"; {model} takes {need / 1e9:.0f} GB in 16 bits" if billions else "")
        + (f", and the machine has {gib(ram.usable)} of RAM" if ram is not None else ""),
    )


def _model(typed: Typed | None) -> tuple[str, float]:
    """Return a model that was typed and its billions of parameters, by its name; ("", 0) for none."""
    for command in typed.commands if typed else ():
        if found := SIZED.search(command):
            return found[1], float(found[2])
    return "", 0.0


SIZED = expression("ram-too-small/sized")


def _raise(container: Container | None, host: Host | None) -> Cure:
    kind = container.kind if container else ""
    if kind in ("docker", "podman"):
        return tell(f"{kind} run --memory=32g IMAGE")
    if kind == "kubernetes":
        return advise("resources: {limits: {memory: 32Gi}}")
    if host is not None and host.wsl:
        return advise(
            "Set memory=32GB under [wsl2] in %UserProfile%\\.wslconfig, then run wsl.exe --shutdown"
        )
    if kind:
        return advise("Raise the memory limit of the container to 32 GiB")
    return tell(
        "sudo fallocate -l 32G /swapfile && sudo chmod 600 /swapfile "
        "&& sudo mkswap /swapfile && sudo swapon /swapfile"
    )
