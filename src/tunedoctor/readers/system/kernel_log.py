"""Lines of the kernel log wherever they stand: dmesg, journalctl, syslog, /dev/kmsg; and what modprobe says."""

from tunedoctor.facts import ErrorText, Fact, KernelLog, NvidiaDriver, NvidiaModule
from tunedoctor.probes.kernel_log import parse_kernel_log
from tunedoctor.readers.paste import Paste, search

_TRACE = 40
"""Lines of a call trace."""


def kernel_log(paste: Paste) -> list[Fact]:
    """Return KernelLog, NvidiaDriver and NvidiaModule, as far as the lines tell."""
    parsed = parse_kernel_log("\n".join(paste.line(hit.line) for hit in paste.each("kernel.line")))
    driver = _driver(paste)
    facts = (parsed if parsed != KernelLog() else None, driver, _module(paste, driver))
    return [fact for fact in facts if fact]


def hung(paste: Paste) -> list[ErrorText]:
    """Tell of tasks that the kernel calls hung while NVIDIA's modules are in their trace, or that ask the driver."""
    for line, row, found in paste.each("hung_task"):
        trace = (paste.line(number) for number in range(line, line + _TRACE))
        # a task that the kernel only lists can be one that waits for a moment: its trace has to tell
        named = row == "blocked" and search("kernel.nvidia_task", found[0])
        if named or any(search("kernel.in_nvidia", one) for one in trace):
            text = f"{' '.join(found[0].split())} in the NVIDIA driver"
            return [ErrorText(text=text, where=f"line {line + 1}")]
    return []


def _driver(paste: Paste) -> NvidiaDriver | None:
    """Return the version of the module: of its own first line, or of its quarrel with a client."""
    source = "kernel log"
    client = next((found[1] for found in reversed(paste.all("kernel.client"))), "")
    if not client:
        # newer drivers name the client, and spread the sentence over lines
        for hit in paste.each("kernel.named_client"):
            lines = [paste.line(hit.line + n) for n in range(3)]
            starts = [search("kernel.before", line) for line in lines]
            said = (
                line[start.end() if start else 0 :].strip()
                for line, start in zip(lines, starts, strict=True)
            )
            if quarrel := search("kernel.quarrel", " ".join(said)):
                return NvidiaDriver(quarrel[2], source=source, library=quarrel[1])
    loading = next(reversed(paste.all("kernel.loading")), None)
    # the second line of the quarrel is often cut or wrapped
    version = (client and paste.first("kernel.module")) or (loading["version"] if loading else "")
    is_open = bool(loading["open"]) if loading and loading["version"] == version else None
    if not version:
        return None
    return NvidiaDriver(version, source=source, library=client, open_module=is_open)


def _module(paste: Paste, driver: NvidiaDriver | None) -> NvidiaModule | None:
    """Say what stands in the way of the module, or that it was loaded."""
    nouveau = paste.has("kernel.nouveau")
    if paste.has("kernel.signed"):
        return NvidiaModule(loaded=False, on_disk=True, secure_boot=True)
    if paste.has("kernel.not_found"):
        return NvidiaModule(loaded=False, on_disk=False, nouveau=nouveau)
    if driver:
        return NvidiaModule(loaded=True, on_disk=True)
    if paste.has("kernel.no_insert"):
        return NvidiaModule(loaded=False, on_disk=True, nouveau=nouveau)
    return NvidiaModule(loaded=False, on_disk=None, nouveau=True) if nouveau else None
