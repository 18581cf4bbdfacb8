from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    IndexAnswer,
    Interpreter,
    Known,
    Runtime,
    TorchBuild,
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
def glibc_too_old(  # noqa: PLR0911  what each source can tell
    host: Known[Host],
    interpreter: Known[Interpreter],
    torch: Known[TorchBuild],
    runtime: Known[Runtime],
    errors: Known[Errors],
    answer: Known[IndexAnswer],
) -> Finding | None:
    """Believe an error first, then a failed install, then compare with the floor of the installed wheel."""
    have = host.libc_version if host is not None and host.libc == "glibc" else ""
    if found := matched(errors, "glibc-too-old/needed"):
        return _from_error(found[1], found[2] or "", have, interpreter)
    cxx = cxx_too_old(errors, conda=interpreter is not None and interpreter.kind == "conda")
    if cxx is not None and cxx.whose == "system":
        return worded("glibc-too-old/cxx-library", found=cxx.found, said=cxx.said)
    why = refused(answer, interpreter, host)
    if why is not None and why.cause == "glibc-too-old":
        return worded(
            "glibc-too-old/refused", found=why.found, said=why.found, interpreter=interpreter
        )
    stage = runtime.stage("import torch") if runtime is not None else None
    if not have or torch is None or interpreter is None or host is None or torch.conda:
        return None
    if stage is not None and stage.outcome == "ok":
        return None
    where = family(host, interpreter)
    if not where.startswith("linux"):
        return None
    floor = glibc_floor(torch.version, torch.variant, where)
    if at_least(have, floor):
        return None
    return worded(
        "glibc-too-old/refused",
        found=f"torch {torch.version} needs glibc {floor}; {host.name} has {have}",
        means=f'import torch stops with "version `GLIBC_{floor}\' not found"',
        interpreter=interpreter,
    )


def _from_error(needed: str, by: str, have: str, interpreter: Interpreter | None) -> Finding:
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
        interpreter=interpreter,
    )
