from tunedoctor import api

GIB = 1 << 30
LEAST_LIMIT = 4 * GIB
ENOUGH = 62
"""GiB from which on there is no note."""


@api.check("ram-too-small")
def ram_too_small(facts: api.Facts) -> api.Finding | None:
    """Warn of kills and tiny limits; an error text is an error, all else a note below 62 GiB."""
    said = facts.heard("ram-too-small")
    guess = "" if said else facts.heard("ram-too-small/guess")
    size = facts.ram.usable
    if said or guess:
        keys = ("ram-too-small/ended", "ram-too-small/ended:guess" if guess else "")
        return facts.worded(*keys, said=said or guess, size=api.gib(size) if facts.ram else "")
    if silent := facts.heard("ram-too-small/silent"):
        return _silent(facts, silent)
    if not facts.ram:
        return None
    limited = facts.ram.limit is not None and facts.ram.limit < facts.ram.total
    place = facts.ram.limit_place
    seen = f"{api.gib(size)} of RAM" + (f", the limit in {place}" if limited and place else "")
    kills = facts.ram.oom_kills
    if kills or (limited and size < LEAST_LIMIT):
        return facts.worded(
            "ram-too-small",
            "ram-too-small:kills" if kills else "ram-too-small:limit",
            f"ram-too-small:{facts.container.kind or ('wsl' if facts.host.wsl else 'bare')}",
            "ram-too-small:container",
            seen=seen,
            kills=kills,
        )
    return _note(facts, seen) if size < ENOUGH * GIB else None


def _note(facts: api.Facts, seen: str) -> api.Finding:
    """Name the largest models that can be loaded and merged, by the table that doctor fit's own reckoning gave."""
    tiers, size = api.table("what_fits")["tiers"], facts.ram.usable
    merged = [tier for tier in tiers if tier["merging"] * GIB <= size]
    beyond = next((tier for tier in tiers if tier not in merged), None)
    enough = f"enough to merge adapters into models up to {merged[-1]['size']}" if merged else ""
    more = f"{beyond['size']} takes {beyond['merging']:.0f} GiB" if beyond else ""
    fits, most = "; ".join(filter(None, (enough, more))), merged[-1]["size"] if merged else ""
    return facts.worded("ram-too-small/note", seen=seen, fits=fits, most=most)


def _silent(facts: api.Facts, silent: str) -> api.Finding:
    """Tell of a load that ended without a word: proved where the model is larger than the RAM, else suspected."""
    sized = api.expression("ram-too-small/sized")
    typed = next((m for c in facts.typed.commands if (m := sized.search(c))), None)
    need = int(float(typed[2]) * 2e9) if typed else 0
    case = "windows" if facts.host.os == "windows" else "else"
    proved = facts.ram and need > facts.ram.usable
    return facts.worded(
        "ram-too-small/silent",
        "" if proved else f"ram-too-small/silent:{case}",
        silent=silent,
        model=typed and typed[1],
        need=f"{need / 1e9:.0f} GB",
        size=api.gib(facts.ram.usable) if facts.ram else "",
    )
