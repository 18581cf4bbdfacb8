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
def glibc_too_old(facts: Facts) -> Finding | None:  # noqa: PLR0911  what each source can tell
    """Believe an error first, then a failed install, then compare with the floor of the installed wheel."""
    have = facts.host.libc_version if facts.host.libc == "glibc" else ""
    if found := matched(facts.errors, "glibc-too-old/needed"):
        return _from_error(facts, found[1], found[2] or "", have)
    cxx = cxx_too_old(facts.errors, conda=facts.interpreter.kind == "conda")
    if cxx is not None and cxx.whose == "system":
        return worded("glibc-too-old/cxx-library", found=cxx.found, said=cxx.said)
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None and why.cause == "glibc-too-old":
        return worded(
            "glibc-too-old/refused", found=why.found, said=why.found, interpreter=facts.interpreter
        )
    stage = facts.runtime.stage("import torch")
    if not have or not facts.torch or not facts.interpreter or not facts.host or facts.torch.conda:
        return None
    if stage is not None and stage.outcome == "ok":
        return None
    where = family(facts.host, facts.interpreter)
    if not where.startswith("linux"):
        return None
    floor = glibc_floor(facts.torch.version, facts.torch.variant, where)
    if at_least(have, floor):
        return None
    return worded(
        "glibc-too-old/refused",
        found=f"torch {facts.torch.version} needs glibc {floor}; {facts.host.name} has {have}",
        means=f'import torch stops with "version `GLIBC_{floor}\' not found"',
        interpreter=facts.interpreter,
    )


def _from_error(facts: Facts, needed: str, by: str, have: str) -> Finding:
    name = by.replace("\\", "/").rpartition("/")[2] or "a compiled module"
    system = f"glibc {have}" if have else "an older one"
    package = next((p for p in ("flash_attn", "vllm", "torch") if p in by), "")
    return worded(
        "glibc-too-old/from-error",
        "glibc-too-old/from-error:flash-attn"
        if package == "flash_attn"
        else "glibc-too-old/from-error:else",
        found=f"{name} needs glibc {needed}; the system has {system}",
        needed=needed,
        interpreter=facts.interpreter,
    )
