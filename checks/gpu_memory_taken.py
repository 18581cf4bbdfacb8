from tunedoctor import api

SHARE = 0.3
"""Part of the memory that has to be taken before it is worth a word."""


@api.check("gpu-memory-taken")
def gpu_memory_taken(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Take the GPU that is fullest."""
    full = [
        (1 - free / total, card)
        for card in api.visible_gpus(gpus.gpus, facts.environment)
        if (total := card.memory_total) and (free := card.memory_free) is not None
        if not card.unified_memory
    ]
    if not full or max(full, key=lambda one: one[0])[0] <= SHARE:
        return None
    _, card = max(full, key=lambda one: one[0])
    biggest = sorted(card.processes, key=lambda p: p.memory or 0, reverse=True)
    python = bool(biggest) and "python" in biggest[0].name.lower() and biggest[0].pid > 1
    return facts.worded(
        "gpu-memory-taken:python" if python else "gpu-memory-taken:else",
        "gpu-memory-taken",
        card=card,
        pid=biggest[0].pid if biggest else 0,
        holders=api.listed(
            f"{one.name or 'process'} ({one.pid}{', ' + api.gib(one.memory) if one.memory else ''})"
            for one in biggest[:4]
        ),
    )
