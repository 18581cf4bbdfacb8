from tunedoctor import api


@api.check("glibc-too-old")
def glibc_too_old(facts: api.Facts) -> api.Finding | None:
    """Believe an error first, then a failed install, then compare with the floor of the installed wheel."""
    have = facts.host.libc_version if facts.host.libc == "glibc" else ""
    if found := facts.matched("glibc-too-old/needed"):
        by = found[2] or ""
        flash = next((p for p in ("flash_attn", "vllm", "torch") if p in by), "") == "flash_attn"
        case = "glibc-too-old/from-error:flash-attn" if flash else "glibc-too-old/from-error:else"
        name = by.replace("\\", "/").rpartition("/")[2]
        key, system = "glibc-too-old/from-error", f"glibc {have}" if have else "an older one"
        return facts.worded(key, case, name=name, needed=found[1], system=system)
    cxx = api.cxx_too_old(facts.errors, conda=facts.interpreter.kind == "conda")
    if cxx is not None and cxx.whose == "system":
        return facts.worded("glibc-too-old/cxx-library", found=cxx.found, said=cxx.said)
    key = "glibc-too-old/refused"
    why = api.refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None and why.cause == "glibc-too-old":
        return facts.worded(key, found=why.found, said=why.found)
    stage, torch = facts.runtime.stage("import torch"), facts.torch
    known = have and facts.interpreter and torch and not torch.conda
    where = api.family(facts.host, facts.interpreter) if known else ""
    if not where.startswith("linux") or (stage is not None and stage.outcome == "ok"):
        return None
    floor = api.glibc_floor(torch.version, torch.variant, where)
    if api.at_least(have, floor):
        return None
    return facts.worded("glibc-too-old/floor", key, floor=floor)
