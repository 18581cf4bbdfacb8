"""What the head of a file tells of a program: its format and the machine that it is for."""

import os
import struct
import sys
from typing import Literal, NamedTuple

HEAD = 4096
"""Bytes of a file that hold its head."""
_ELF = {
    3: "i686",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
}
_MACH = {0x01000007: "x86_64", 0x0100000C: "arm64"}
_PE = {0x014C: "x86", 0x8664: "amd64", 0xAA64: "arm64"}


class Program(NamedTuple):
    """A program that a system starts by itself."""

    format: Literal["elf", "mach", "pe"]
    bits: int
    machine: str
    """As the system calls it: x86_64, amd64 on Windows; "" where it is another, or one of several."""


def this_machine() -> str:
    """Return the processor as the kernel names it; "" on Windows."""
    return "" if sys.platform == "win32" else os.uname().machine


def program(head: bytes) -> Program | None:
    """Return what the first bytes of a file tell; None where they are no program's, or cut off."""
    try:
        if head.startswith(b"\x7fELF"):
            (code,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
            return Program("elf", 64 if head[4] == 2 else 32, _ELF.get(code, ""))
        if head.startswith((b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe")):
            (code,) = struct.unpack_from("<I", head, 4)
            return Program("mach", 64 if head[0] == 0xCF else 32, _MACH.get(code, ""))
        if head.startswith(b"\xca\xfe\xba\xbe"):
            return Program("mach", 64, "")
        if head.startswith(b"MZ"):
            mark, code = struct.unpack_from("<4sH", head, struct.unpack_from("<I", head, 60)[0])
            if mark == b"PE\0\0":
                return Program("pe", 32 if code == 0x014C else 64, _PE.get(code, ""))
    except (struct.error, IndexError):
        pass
    return None
