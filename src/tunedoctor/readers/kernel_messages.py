"""Read the GPU lines of a kernel log."""

from collections import Counter

from tunedoctor import facts as kinds
from tunedoctor.model.lazy import pattern

_LONGEST = 500
"""Most characters of a line to keep."""
_MOST = 200
"""Most lines of each kind to keep, the newest ones."""
_ALIKE = 3
"""Most Xid lines to keep for one number and one GPU: a faulty GPU writes thousands."""
_XID = pattern(
    r"(?:NVRM: |S)Xid \((?:PCI:)?([\w:.]{,20})\): (\d{1,5})\b(?!, Data|, Sev)(?:, ?(.*))?"
)
_KFD = pattern(
    r"(?i)\bkfd\b.{0,120}?(?:reject|not supported|unsupported|skipped|not added|is missing|fail|error)"
)
_KILL = pattern(r"(?i)(?:memory cgroup )?out of memory: kill(?:ed)? process .*")
_HUNG = pattern(r"INFO: task (.{1,40}?):(\d{1,10}) blocked for more than (\d{1,7}) seconds")


def parse_kernel_log(text: str) -> kinds.KernelLog:
    """Return the GPU lines of a kernel log as written by /dev/kmsg, dmesg or journalctl."""
    xids: list[kinds.Xid] = []
    kfd: dict[str, None] = {}
    kills: list[str] = []
    hung: dict[str, str] = {}
    counts: Counter[tuple[int, str]] = Counter()
    for whole in text.splitlines():
        text_of_line = whole[:2000].rstrip()
        if "Xid" in text_of_line and (match := _XID.search(text_of_line)):
            xid = kinds.Xid(int(match[2]), slot=_slot(match[1]), text=(match[3] or "")[:_LONGEST])
            counts[xid.number, xid.slot] += 1
            xids += [xid] if counts[xid.number, xid.slot] <= _ALIKE else []
        if "kfd" in text_of_line and (match := _KFD.search(text_of_line)):
            kfd[text_of_line[match.start() :][:_LONGEST]] = None
        if "rocess" in text_of_line and (match := _KILL.search(text_of_line)):
            kills.append(match[0][:_LONGEST])
        if "blocked for" in text_of_line and (match := _HUNG.search(text_of_line)):
            hung[f"{match[1]} ({match[2]})"] = f"{match[3]} s"
    return kinds.KernelLog(
        xids=tuple(xids[-_MOST:]),
        # newer drivers split this message into lines without an Xid
        fell_off_bus="fallen off the bus" in text,
        kfd=tuple(kfd)[-_MOST:],
        oom_kills=tuple(kills[-_MOST:]),
        hung=tuple(f"{who}, {since}" for who, since in hung.items())[-_MOST:],
    )


def _slot(text: str) -> str:
    """Return a slot in the notation of sysfs: "0000:9B:00" -> "0000:9b:00.0"; other texts unchanged."""
    place, _, function = text.lower().partition(".")
    domain, *rest = place.split(":")
    if len(domain) < 4 or list(map(len, rest)) != [2, 2] or len(function) > 1:
        return text.lower()
    return f"{domain[-4:]}:{rest[0]}:{rest[1]}.{function or 0}"
