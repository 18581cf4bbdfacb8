"""The host's glibc is older than a binary needs.

What it means
    A wheel is built against a glibc; the system must have that one or a newer one. torch needs 2.28 since 2.7
    (2.17 before); wheels that were compiled elsewhere, such as flash-attn's, can need more.

How it is found
    The glibc of the system against the floor of the installed torch; errors that name GLIBC.

Cures
    A newer system or a container; an older release of the package; or to compile it here. glibc itself cannot be
    replaced.

When to ignore it
    Never where an error names it.

Seen as
    ImportError: /lib64/libc.so.6: version `GLIBC_2.32' not found
    version `GLIBC_2.28' not found
    OSError: /lib64/libstdc++.so.6: version `CXXABI_1.3.9' not found
"""

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


@check(
    "glibc-too-old",
    "glibc is older than a binary needs",
    explains=["library-import-fails", "torch-import-crash", "torch-sees-no-gpu"],
)
def glibc_too_old(  # noqa: PLR0913, PLR0911  what each source can tell
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
