"""Tell a line that states a fault from prose and from the rest of a log."""

from collections.abc import Sequence

from tunedoctor.lazy import pattern

_MARK = pattern(
    r"\w(?:Error|Exception|Warning|Interrupt|Exit)\b.{0,40}[:(]|^\W{0,3}(?:Error|Exception|Warning|WARNING)\s?[:(]"
    r"|\b[Ee](?:rror|RROR)(?: code)?(?:\s?[:=#(\[]|:? (?:code )?-?(?:0x)?\d)"
    r"|^\W{0,3}(?:[Ee]rror|ERROR|[Ff]atal|FATAL|E:)\s?\S"
    r"|^\W{0,3}FAILED\b|^\W{0,3}Failed\b|\b[Ff]ail(?:ed|ure|s)?(?::|\.?$| (?:to|with|in|at|for|on|due|because)\b)"
    r"|\bexit(?:ed|s)?(?: with)?(?: (?:code|status))?:? ?-?(?:0x[0-9a-fA-F]{4,8}|[1-9]\d{0,9})\b"
    r"|\bexitcode {0,4}[:=] ?-?[1-9]"
    r"|^Killed\b|\bKilled$|^Aborted\b|\bXid\b|\berrno\b|0x[cC]000[0-9a-fA-F]{4}|\bSIG(?:SEGV|KILL|BUS|ILL|ABRT|FPE)\b"
    r"|Requirement already satisfied: .{1,80} in [^ ]{0,60}\.local\b"
    r"|^\s{0,8}\(\d{1,2}\.\d\) - \(\d{1,2}\.\d\)$"  # capabilities that a torch supports, in a warning of three lines
    r"|\b40[134] (?:Client|Unauthorized|Forbidden|Not Found)|\brequires? (?:a |the )?[^ ]{1,60} ?(?:[<>=!~]|to be)"
    r"|[\w.-] \d[^ ]{0,40} (?:requires|depends on|has requirement)\b|^\W{0,3}Because .{1,200} (?:depends on|has no)\b"
)
"""How programs mark a fault, whatever it is; letters' case counts."""
_SAYS = (
    # loader, linker, compiler
    *(
        "cannot open shared object",
        "undefined symbol",
        "undefined reference",
        "cannot find -l",
        "not found (required by",
        "python.h:",
        "python.h :",
        "cannot find compiler",
    ),
    *(
        "no such file",
        "returned non-zero",
        "unsupported gnu version",
        "no working c",
        "=> not found",
        "stub library",
    ),
    *(
        "mismatches the version",
        "does not match the version",
        "unable to compile",
        "' not found",
        "command not found",
        ": not found",
    ),
    # torch, CUDA, HIP, XPU
    *(
        "not compatible with",
        "cuda capabilit",
        "arch_list",
        "too old",
        "no kernel image",
        "out of memory",
        "found version ",
    ),
    *(
        "current device:",
        "current device :",
        "no longer supports",
        "cuda driver",
        "cuda initialization",
        "cuda unknown",
    ),
    *(
        "not compiled with",
        "not linked with",
        "no cuda gpu",
        "no hip gpu",
        "no gpu",
        "no xpu",
        "no nvidia",
        "no device",
        "no cuda-capable",
        "cuinit",
    ),
    *(
        "invalid device",
        "device-side assert",
        "_status_",
        "hiperror",
        "cudaerror",
        "cuda_error",
        "ur_result_error",
    ),
    *(
        "tensilelibrary",
        "device >= 0",
        "system not yet",
        "system_not_ready",
        "not available",
        "not supported",
    ),
    *(
        "unsupported",
        "doesn't support",
        "does not support",
        "doesn't have",
        "built-in",
        "built in",
        "only supported",
    ),
    *(
        "not detected",
        "unexpected error",
        "omp: ",
        "intel mkl",
        "shared memory",
        "capability by calling",
        "libcuda",
    ),
    *(
        "segmentation fault",
        "bus error",
        "illegal instruction",
        "core dumped",
        "killed by signal",
        "cuda is not",
    ),
    *(
        "unable to ",
        "xpu device",
        "mkl_",
        "library supports",
        "by this library",
        "requires the ",
        "is not enabled",
    ),
    # drivers, kernels, containers
    *(
        "nvrm",
        "kfd",
        "fallen off",
        "gpu is lost",
        "reset required",
        "requires reset",
        "ecc error",
        "rminit",
        "atomics",
    ),
    *(
        "open kernel",
        "open nvidia",
        "device handle",
        "communicate with the nvidia",
        "rock module",
        "oom-kill",
        "oom killer",
    ),
    *(
        "driver error",
        "rpc error",
        "timed out",
        "timeout after",
        '" group',
        "required groups",
        "could not select",
    ),
    *(
        "nvidia-container-cli",
        "oci runtime",
        "unresolvable cdi",
        "invalid runtime",
        "unsatisfied condition",
        "video group",
    ),
    # Python and its libraries
    *(
        "no module named",
        "cannot import name",
        "partially initialized",
        "unknown location",
        "has no attribute",
    ),
    *(
        "is not defined",
        "using numpy",
        "_array_api",
        "dtype size changed",
        "numpy is not",
        "infer dtype",
        "multiarray failed",
    ),
    *(
        "look up to see its traceback",
        "does not exist",
        "does not recognize",
        "not installed",
        "not importable",
    ),
    *(
        "is required",
        "but found",
        "but you have",
        "found=none",
        "incompatib",
        "please upgrade",
        "please install",
    ),
    *(
        "please update",
        "gpu is not",
        "skipping import",
        "disabling pytorch",
        "to install",
        "packagenotfound",
    ),
    *(
        "cannot be ",
        "cannot not be",
        "can't be ",
        "could not be ",
        "mismatch",
        "binary not found",
        "cuda setup",
        "winerror",
    ),
    *(
        "unrecognized",
        "not recognized",
        "was not found",
        "were not found",
        "memory allocat",
        "unexpected keyword",
        "must be ",
    ),
    *(
        "requires `",
        "no package metadata",
        "compiled with different",
        "can't load",
        "couldn't load",
        "could not load",
    ),
    *(
        "require users",
        "offlinemode",
        "of its dependencies",
        "compiled without",
        "attempted on",
        "not found in",
    ),
    # pip, uv, conda
    *(
        "from versions:",
        "no matching distribution",
        "could not find",
        "could not build",
        "could not install",
    ),
    *(
        "ignored the following",
        "ignoring invalid distribution",
        "resolutionimpossible",
        "conflict",
        "no solution found",
    ),
    *(
        "externally-managed",
        "has no wheels",
        "not a supported wheel",
        "requires-python",
        "resolver does not",
    ),
    *(
        "not a valid wheel",
        "defaulting to user inst",
        "unsatisfiable",
        "subprocess-exited",
        "circular import",
    ),
    # hub, network, disks
    *(
        "couldn't connect",
        "could not connect",
        "gated",
        "authorized list",
        "token is",
        "invalid user",
        "invalid credentials",
    ),
    *(
        "invalid token",
        "offline mode",
        "outgoing traffic",
        "certificate_verify",
        "certificate verify",
        "self-signed",
    ),
    *(
        "self signed",
        "max retries",
        "name resolution",
        "name or service",
        "getaddrinfo",
        "unreachable",
        "connection re",
    ),
    *(
        "connection aborted",
        "connection timed",
        "permission denied",
        "no space left",
        "read-only file",
        "disk quota",
    ),
    *(
        "your cache folder",
        "when downloading",
        "too many open files",
        "paging file",
        "not enough memory",
        "not enough space",
        "not enough free",
    ),
    *(
        "can't allocate",
        "cannot allocate",
        "access is denied",
        "awaiting a review",
        "request to access",
        "internet connection",
    ),
    *("hf_token", "remote end closed", "be authenticated", "not set", "proxyerror", "sslerror"),
    # several processes
    *("worker processes in total", "this process has", "access fault", "blocked by"),
    *(
        "nccl warn",
        "nccl error",
        "ncclunhandled",
        "ncclsystem",
        "ncclinternal",
        "watchdog caught",
        "operation timeout",
    ),
    *(
        "bad interpreter",
        "cannot uninstall",
        "no record file",
        "not logged in",
        "oomkilled",
        "previously imported in this runtime",
        "restart the runtime",
        "received by pid",
        "death signal",
        "terminate called",
        ": killed",
        "ssl certificate",
        "exited unexpectedly",
    ),
)
"""What a fault says where nothing marks one, in small letters."""

_A_VALUE = pattern(
    r"\W{0,4}[\w .()/?`-]{1,60}\bversion\b[^:]{0,20}:\s*(?:not installed|N/A|None|not available)"
)
"""A row of a report on versions."""

_A_CELL = pattern(r"(?:^|[|:,]|(?<=\s\s))\s{0,4}\[?Not Supported\]?(?=\s{0,80}(?:$|[|,]))")
"""What nvidia-smi prints of a figure that a GPU does not have."""
_BY_LENGTH = tuple(sorted(dict.fromkeys(_SAYS), key=len))


def signs_in(text: str) -> tuple[str, ...]:
    """Return the signs of a fault that a whole text holds, shorter ones first: only those can stand in its lines."""
    low = text.lower()
    return tuple(sign for sign in _BY_LENGTH if sign in low)


def states_a_fault(text: str, among: Sequence[str] = _BY_LENGTH) -> bool:
    """Tell whether a line states a fault, or a warning that tells of one; the word "error" alone is none.

    `among`: the signs that its text holds, as `signs_in` returns them.
    """
    if _A_VALUE.match(text):
        return False
    if _MARK.search(text):
        return True
    if "Not Supported" in text:
        text = _A_CELL.sub(" ", text)
    low = text.lower()
    for sign in among:
        if len(sign) > len(low):
            return False
        if sign in low:
            return True
    return False
