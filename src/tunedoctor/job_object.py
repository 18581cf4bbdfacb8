"""Windows: a job that a child and all that it starts belong to, and that ends them all at once.

Source: Microsoft, "Job Objects" and JOBOBJECT_EXTENDED_LIMIT_INFORMATION (winnt.h). Jobs nest since Windows 8. The
handle is this process's alone: where the doctor dies the system closes it, and with it ends the job.
"""

import ctypes
from typing import Any

_EXTENDED_LIMITS = 9
"""JobObjectExtendedLimitInformation."""
_SIZE = 144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112
_LIMITS = (0x2000).to_bytes(4, "little").rjust(20, b"\0").ljust(_SIZE, b"\0")
"""The structure with nothing but JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, in LimitFlags behind two 64-bit times."""
_ACCESS = 0x0101
"""PROCESS_TERMINATE | PROCESS_SET_QUOTA, which AssignProcessToJobObject asks for."""

_JOBS: dict[int, Any] = {}
"""Process number -> handle."""


def hold(pid: int) -> None:
    """Put a process into a new job. Where that fails it has none, and `end` ends nothing."""
    kernel32 = _kernel32()
    _JOBS[pid] = job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    kernel32.SetInformationJobObject(job, _EXTENDED_LIMITS, _LIMITS, _SIZE)
    process = ctypes.c_void_p(kernel32.OpenProcess(_ACCESS, 0, pid))
    kernel32.AssignProcessToJobObject(job, process)
    kernel32.CloseHandle(process)


def end(pid: int) -> None:
    """End every process of the job."""
    if job := _JOBS.pop(pid, None):
        _kernel32().TerminateJobObject(job, 1)
        _kernel32().CloseHandle(job)


def _kernel32() -> Any:  # noqa: ANN401  its functions have no types
    library = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009  other systems' ctypes has none
    library.CreateJobObjectW.restype = library.OpenProcess.restype = ctypes.c_void_p
    return library
