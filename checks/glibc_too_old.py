from tunedoctor.api import (
    Facts,
    Finding,
    at_least,
    check,
    cxx_too_old,
    family,
    glibc_floor,
    matched,
    refused,
    worded,
)


@check("glibc-too-old")
def glibc_too_old(facts: Facts) -> Finding | None:
    """Believe an error first, then a failed install, then compare with the floor of the installed wheel."""
    have = facts.host.libc_version if facts.host.libc == "glibc" else ""
    if found := matched(facts.errors, "glibc-too-old/needed"):
        by = found[2] or ""
        flash = next((p for p in ("flash_attn", "vllm", "torch") if p in by), "") == "flash_attn"
        return worded(
            "glibc-too-old/from-error",
            "glibc-too-old/from-error:flash-attn" if flash else "glibc-too-old/from-error:else",
            interpreter=facts.interpreter,
            name=by.replace("\\", "/").rpartition("/")[2] or "a compiled module",
            needed=found[1],
            system=f"glibc {have}" if have else "an older one",
        )
    cxx = cxx_too_old(facts.errors, conda=facts.interpreter.kind == "conda")
    if cxx is not None and cxx.whose == "system":
        return worded("glibc-too-old/cxx-library", found=cxx.found, said=cxx.said)
    why, key = refused(facts.index_answer, facts.interpreter, facts.host), "glibc-too-old/refused"
    if why is not None and why.cause == "glibc-too-old":
        return worded(key, found=why.found, said=why.found, interpreter=facts.interpreter)
    stage, torch = facts.runtime.stage("import torch"), facts.torch
    known = have and facts.interpreter and torch and not torch.conda
    where = family(facts.host, facts.interpreter) if known else ""
    if not where.startswith("linux") or (stage is not None and stage.outcome == "ok"):
        return None
    floor = glibc_floor(torch.version, torch.variant, where)
    if at_least(have, floor):
        return None
    return worded(
        key,
        found=f"{torch.named} needs glibc {floor}; {facts.host.name} has {have}",
        means=f'import torch stops with "version `GLIBC_{floor}\' not found"',
        interpreter=facts.interpreter,
    )
