"""Read lines of the kernel log wherever they stand: dmesg, journalctl, syslog, /dev/kmsg; and what modprobe says."""

import re

from tunedoctor.facts import (
    Errors,
    ErrorText,
    Fact,
    KernelLog,
    NvidiaDriver,
    NvidiaModule,
)
from tunedoctor.lazy import pattern
from tunedoctor.probes.kernel_log import parse_kernel_log

_LONGEST = 500
_MOST = 40
"""Messages that are kept."""
_WORTH = pattern(
    r"NVRM|nouveau|nvidia|\bkfd\b|amdgpu|[Oo]ut of memory: [Kk]ill|oom-kill:|modprobe|"
    r"segfault at|\bi915\b|\bxe 0000"
)
_KERNEL = pattern(
    r"NVRM:|\bkfd kfd\b|\bkfd: |\bamdgpu [0-9a-f]{4}:|\[drm|nouveau [0-9a-f]{4}:"
    r"|(?:out of memory|Out of memory): [Kk]ill|oom-kill:"
)
"""What only the kernel writes so."""
_LOADING = pattern(
    r"NVRM: loading NVIDIA UNIX (Open Kernel Module for )?\S{1,40}(?:\s{1,4}Kernel Module)?"
    r"\s{1,9}(\d{1,6}(?:\.\d{1,6}){1,4})"
)
_CLIENT = pattern(r"NVRM: API mismatch: the client has(?: the)? version\s{1,4}([\d.]{3,20})")
_QUARREL = pattern(
    r"the client '[^'\n]{1,40}' \(pid \d{1,10}\) has the version ([\d.]{3,20}), but this kernel module has "
    r"the version ([\d.]{3,20})"
)
"""The same in the words of newer drivers, which name the client, on one line."""
_OUR_WORDS = pattern(r".{0,80}NVRM:\s{1,4}")
_MODULE = pattern(r"this kernel module has(?: the)? version\s{1,4}([\d.]{3,20})")
_SIGNED = pattern(
    r"(?:could not insert|insmod|Loading of|modprobe).{0,120}(?:Key was rejected by service"
    r"|Required key not available|unsigned module is rejected)"
    r"|Lockdown:.{0,60}unsigned module loading is restricted",
    re.IGNORECASE,
)
_NOT_FOUND = pattern(r"Module nvidia(?:[-_]current)? not found in directory", re.IGNORECASE)
_BLOCKED = pattern(r"task ([^\n]{1,40}:\d{1,10}) blocked for more than \d{1,6} seconds")
_WAITS = pattern(r"task:(\S{1,40})\s{1,30}state:D\s")
"""What the kernel prints of a task that nothing can wake or kill, before its call trace."""
_NVIDIA_TASK = pattern(r"nvidia|nvc:|nv_queue|irq/\d{1,4}-nvidia")
_IN_NVIDIA = pattern(r"\[nvidia(?:_\w{1,20})?\]")
_TRACE = 40
"""Lines of a call trace."""
_NO_INSERT = pattern(r"could not insert '?\"?nvidia\b", re.IGNORECASE)
_NOUVEAU = pattern(
    r"\bnouveau(?: |:)\s{0,3}(?:[0-9a-f]{4}:[0-9a-f]{2}:|\[?drm)|[Uu]nload(?:ing)? .{0,40}nouveau"
)
_ERRORS = (
    pattern(r"NVRM: API mismatch.*"),
    pattern(r"GPU has fallen off the bus.*", re.IGNORECASE),
    pattern(r"RmInitAdapter failed.*"),
    pattern(r"NVRM: .{0,120}ignoring the legacy GPU.*", re.IGNORECASE),
    pattern(r"NVRM: .{0,200}requires use of the NVIDIA open kernel modules.*"),
    pattern(r"NVRM: .{0,200}is not supported by open nvidia\.ko.*"),
    pattern(r"NVRM: .{0,200}is not supported by the.*"),
    pattern(r"NVRM: No NVIDIA (?:GPU|graphics adapter) found.*"),
    pattern(r"(?:modprobe|insmod): (?:ERROR|FATAL): .*"),
    pattern(r"(?:memory cgroup )?out of memory: kill(?:ed)? process .*", re.IGNORECASE),
    pattern(r"oom-kill:constraint=.*"),
    pattern(r"\S{1,40}\[\d{1,10}\]: segfault at .{0,200} in lib\S+.*"),
    pattern(r"kfd.{0,100}(?:not supported in kfd|PCI rejects atomics|SRAM ECC).*"),
    pattern(
        r"(?:amdgpu|amdkfd|amdkcl|nvidia\w{0,12}): (?:Unknown symbol|disagrees about version of symbol) .*"
    ),
    pattern(r"(?:i915|xe) 0000:.{0,80}(?:GPU HANG|wedged|failed to load|probe failed).*"),
)


def read(lines: list[str]) -> list[Fact]:
    """Return KernelLog, NvidiaDriver, NvidiaModule and Errors, as far as the lines tell. Never raises."""
    worth = [
        (number, line[:_LONGEST])
        for number, line in enumerate(lines, 1)
        if _WORTH.search(line[:_LONGEST])
    ]
    parsed = parse_kernel_log("\n".join(line for _, line in worth if _KERNEL.search(line)))
    driver, errors = _driver([line for _, line in worth], lines), _errors(worth) + _hung(lines)
    facts: list[Fact] = [parsed] if parsed != KernelLog() else []
    facts += [driver] if driver else []
    facts += _module([line for _, line in worth], loaded=driver is not None)
    return [*facts, Errors(errors=errors)] if errors else facts


def _errors(worth: list[tuple[int, str]]) -> tuple[ErrorText, ...]:
    found: dict[str, ErrorText] = {}
    for number, line in worth:
        said = next((s for pattern in _ERRORS if (s := pattern.search(line))), None)
        if said and len(found) < _MOST:
            found.setdefault(said[0], ErrorText(text=said[0], where=f"line {number}"))
    return tuple(found.values())


def _hung(lines: list[str]) -> tuple[ErrorText, ...]:
    """Tell of tasks that the kernel calls hung while NVIDIA's modules are in their trace, or that ask the driver."""
    for number, line in enumerate(lines):
        blocked = "blocked for more than" in line and _BLOCKED.search(line[:_LONGEST])
        found = blocked or ("state:D" in line and _WAITS.search(line[:_LONGEST]))
        if not found:
            continue
        trace = lines[number : number + _TRACE]
        # a task that the kernel only lists can be one that waits for a moment: its trace has to tell
        named = blocked and _NVIDIA_TASK.match(found[1])
        if named or any(_IN_NVIDIA.search(one[:_LONGEST]) for one in trace):
            text = f"{' '.join(found[0].split())} in the NVIDIA driver"
            return (ErrorText(text=text, where=f"line {number + 1}"),)
    return ()


def _driver(worth: list[str], lines: list[str]) -> NvidiaDriver | None:
    """Return the version of the module: of its own first line, or of its quarrel with a client."""
    loading = next((f for line in reversed(worth) if (f := _LOADING.search(line))), None)
    client = next((f[1] for line in reversed(worth) if (f := _CLIENT.search(line))), "")
    if not client and (named := _named_quarrel(worth)):
        return named
    # the second line of the quarrel is often cut or wrapped
    of_module = next((f[1] for line in lines if client and (f := _MODULE.search(line))), "")
    version = of_module.rstrip(".") or (loading[2] if loading else "")
    if not version:
        return None
    return NvidiaDriver(
        version=version,
        source="kernel log",
        library=client.rstrip("."),
        open_module=bool(loading[1]) if loading and loading[2] == version else None,
    )


def _named_quarrel(worth: list[str]) -> NvidiaDriver | None:
    """Join the lines over which newer drivers spread their quarrel with a client."""
    for number, line in enumerate(worth):
        if "API mismatch: the client '" in line:
            said = " ".join(_OUR_WORDS.sub("", one).strip() for one in worth[number : number + 3])
            if found := _QUARREL.search(said):
                return NvidiaDriver(
                    version=found[2].rstrip("."), source="kernel log", library=found[1].rstrip(".")
                )
    return None


def _module(worth: list[str], *, loaded: bool) -> list[NvidiaModule]:
    """Say what stands in the way of the module, or that it was loaded."""

    def seen(pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(line) for line in worth)

    nouveau = seen(_NOUVEAU)
    if any(_SIGNED.search(line) and "nvidia" in line for line in worth):
        return [NvidiaModule(loaded=False, on_disk=True, secure_boot=True)]
    if seen(_NOT_FOUND):
        return [NvidiaModule(loaded=False, on_disk=False, nouveau=nouveau)]
    if loaded:
        return [NvidiaModule(loaded=True, on_disk=True)]
    if seen(_NO_INSERT):
        return [NvidiaModule(loaded=False, on_disk=True, nouveau=nouveau)]
    return [NvidiaModule(loaded=False, on_disk=None, nouveau=True)] if nouveau else []
