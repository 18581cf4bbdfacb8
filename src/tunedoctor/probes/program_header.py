"""Read from the header of a file which processor and system it is a program for."""

import os
import struct
import sys
from typing import Literal, NamedTuple

from tunedoctor.tables.load import table

HEAD = 4096
"""Bytes of a file that contain its header."""
_MACH = {0x01000007: "x86_64", 0x0100000C: "arm64"}
_PE = {0x014C: "x86", 0x8664: "amd64", 0xAA64: "arm64"}


class Program(NamedTuple):
    """A program that a system runs natively."""

    format: Literal["elf", "mach", "pe"]
    bits: int
    machine: str
    """As the system names it: x86_64, amd64 on Windows; "" if it is another one, or there are several."""


def this_machine() -> str:
    """Return the processor as the kernel names it; "" on Windows."""
    return "" if sys.platform == "win32" else os.uname().machine


def program(head: bytes) -> Program | None:
    """Return the program that a file's first bytes describe; None if it is none, or cut off."""
    try:
        if head.startswith(b"\x7fELF"):
            (code,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
            machine = table("probes")["elf_machines"].get(str(code), "")
            return Program("elf", 64 if head[4] == 2 else 32, machine)
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
