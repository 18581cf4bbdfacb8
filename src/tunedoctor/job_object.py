"""Windows: a job that a child and all that it starts belong to, and that ends them all at once.

Source: Microsoft, "Job Objects" and JOBOBJECT_EXTENDED_LIMIT_INFORMATION (winnt.h). Jobs nest since Windows 8. The
handle is this process's alone: where the doctor dies the system closes it, and with it ends the job.
"""

import ctypes
from typing import Any

_EXTENDED_LIMITS = 9
"""JobObjectExtendedLimitInformation."""
_KILL_ON_CLOSE = 0x2000
_ACCESS = 0x0101
"""PROCESS_TERMINATE | PROCESS_SET_QUOTA, which AssignProcessToJobObject asks for."""

_JOBS: dict[int, int] = {}
"""Process number -> handle."""


class _Limits(ctypes.Structure):
    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("active", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("io", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


def hold(pid: int) -> None:
    """Put a process into a new job. Where that fails it has none, and `end` ends nothing."""
    kernel32 = _kernel32()
    job = kernel32.CreateJobObjectW(None, None)
    limits = _Limits(flags=_KILL_ON_CLOSE)
    kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    process = kernel32.OpenProcess(_ACCESS, 0, pid)
    kernel32.AssignProcessToJobObject(job, process)
    kernel32.CloseHandle(process)
    _JOBS[pid] = job


def end(pid: int) -> None:
    """End every process of the job."""
    if job := _JOBS.pop(pid, 0):
        _kernel32().TerminateJobObject(job, 1)
        _kernel32().CloseHandle(job)


def _kernel32() -> Any:  # noqa: ANN401  its functions have no types
    library = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009  other systems' ctypes has none
    for name in ("CreateJobObjectW", "OpenProcess"):
        getattr(library, name).restype = ctypes.c_void_p
    handle, number, other = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
    library.SetInformationJobObject.argtypes = (handle, number, other, number)
    library.AssignProcessToJobObject.argtypes = (handle, other)
    library.TerminateJobObject.argtypes = (handle, number)
    library.CloseHandle.argtypes = (handle,)
    library.OpenProcess.argtypes = (number, number, number)
    return library
