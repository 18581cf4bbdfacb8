from msgspec import structs

from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    Memory,
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
def ram_too_small(facts: Facts) -> Finding | None:
    """Warn of kills and tiny limits; an error text is an error, all else a note below 62 GiB."""
    said = heard(facts.errors, "ram-too-small")
    guess = "" if said else heard(facts.errors, "ram-too-small/guess")
    if said or guess:
        return _ended(facts, said) if said else _guessed(facts, guess)
    if silent := heard(facts.errors, "ram-too-small/silent"):
        return _silent(facts, silent)
    if not facts.ram:
        return None
    size = facts.ram.usable
    limited = facts.ram.limit is not None and facts.ram.limit < facts.ram.total
    seen = f"{gib(size)} of RAM" + (
        f", the limit in {facts.ram.limit_place}" if limited and facts.ram.limit_place else ""
    )
    if facts.ram.oom_kills or (limited and size < LEAST_LIMIT):
        kills = (
            f"; the kernel has killed {facts.ram.oom_kills} processes in this control group"
            if facts.ram.oom_kills
            else ""
        )
        return worded(
            "ram-too-small",
            title="Processes here were killed for want of RAM"
            if facts.ram.oom_kills
            else "The RAM limit here is very small",
            found=f"{seen}{kills}",
            cure=_raise(facts),
            evidence=(facts.ram.limit_place,) if facts.ram.limit_place else (),
        )
    return _note(size, seen, facts.ram) if size < ENOUGH * GIB else None


def _note(size: int, seen: str, ram: Memory) -> Finding:
    """Name the largest models that can be loaded and merged, by the table that doctor fit's own reckoning gave."""
    tiers = table("what_fits")["tiers"]
    merged = [tier for tier in tiers if tier["merging"] * GIB <= size]
    beyond = next((tier for tier in tiers if tier not in merged), None)
    enough = f"enough to merge adapters into models up to {merged[-1]['size']}" if merged else ""
    more = f"{beyond['size']} takes {beyond['merging']:.0f} GiB" if beyond else ""
    return worded(
        "ram-too-small/note",
        found=f"{seen}: {'; '.join(one for one in (enough, more) if one)}",
        cure=advise(
            f"Use a model of up to {merged[-1]['size'] if merged else '0.6B'}, with weights in safetensors"
        ),
        evidence=(ram.limit_place,) if ram.limit_place else (),
        size=gib(size),
    )


def _ended(facts: Facts, said: str) -> Finding:
    return worded(
        "ram-too-small/ended",
        found=f"the log says '{said}'"
        + (f"; {gib(facts.ram.usable)} of RAM can be used" if facts.ram else ""),
        said=said,
    )


def _guessed(facts: Facts, said: str) -> Finding:
    settle = "sudo dmesg | grep -i -E 'out of memory|oom'"
    return structs.replace(_ended(facts, said), settle=settle)


def _silent(facts: Facts, silent: str) -> Finding:
    """Tell of a load that ended without a word: proved where the model is larger than the RAM, else suspected."""
    model, billions = _model(facts)
    need = int(billions * 2e9)
    larger = facts.ram and need > facts.ram.usable
    windows = facts.host.os == "windows"
    return worded(
        "ram-too-small/silent",
        ""
        if larger
        else "ram-too-small/silent:windows"
        if windows
        else "ram-too-small/silent:else",
        found=silent
        + (f"; {model} takes {need / 1e9:.0f} GB in 16 bits" if billions else "")
        + (f", and the machine has {gib(facts.ram.usable)} of RAM" if facts.ram else ""),
    )


def _model(facts: Facts) -> tuple[str, float]:
    """Return a model that was typed and its billions of parameters, by its name; ("", 0) for none."""
    for command in facts.typed.commands:
        if found := expression("ram-too-small/sized").search(command):
            return found[1], float(found[2])
    return "", 0.0


def _raise(facts: Facts) -> Cure:
    kind = facts.container.kind
    if kind in ("docker", "podman"):
        return tell(f"{kind} run --memory=32g IMAGE")
    if kind == "kubernetes":
        return advise("resources: {limits: {memory: 32Gi}}")
    if facts.host.wsl:
        return advise(
            "Set memory=32GB under [wsl2] in %UserProfile%\\.wslconfig, then run wsl.exe --shutdown"
        )
    if kind:
        return advise("Raise the memory limit of the container to 32 GiB")
    return tell(
        "sudo fallocate -l 32G /swapfile && sudo chmod 600 /swapfile "
        "&& sudo mkswap /swapfile && sudo swapon /swapfile"
    )
