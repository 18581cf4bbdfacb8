"""Find the architectures that a torch library was compiled for: a string such as "sm_80 sm_90 compute_90"."""

import mmap
import re
import struct
from pathlib import Path

from tunedoctor.reading import open_regular

LIBRARIES = ("libtorch_python.so", "torch_python.dll")
"""Where the string lies."""
_LARGEST = 512 << 20

_CUDA = rb"(?:sm|compute)_\d{2,3}[af]?"
_GFX = rb"gfx\d[0-9a-f]{2,4}(?::[a-z+\-:]+)?"
_FLAGS = re.compile(rb"\0(%b(?: %b)*|%b(?:[ ;]%b)*)\0" % (_CUDA, _CUDA, _GFX, _GFX))


def compiled_archs(folder: Path) -> tuple[str, ...]:
    """Return the architectures stated by the libraries in torch/lib, or () where none states any."""
    for name in LIBRARIES:
        try:
            with open_regular(folder / name, _LARGEST) as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            continue
        with data:
            start, end = read_only_data(data) or (0, len(data))
            found = find_flags(data, start, end)
        if found:
            return found
    return ()


def find_flags(data: bytes | mmap.mmap, start: int, end: int) -> tuple[str, ...]:
    """Return the longest list of architectures between two places."""
    lists = (match[1] for match in _FLAGS.finditer(data, start, end))
    longest = max(lists, key=len, default=b"")
    return tuple(longest.decode("ascii").replace(";", " ").split())


def read_only_data(data: bytes | mmap.mmap) -> tuple[int, int] | None:
    """Return start and end of .rodata of a 64-bit ELF file, or None where it is none.

    Constants are a tenth of the library; the rest need not be read from disk.
    """
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            return None
        table, width, count, names = struct.unpack_from("<Q10xHHH", data, 40)
        headers = [
            struct.unpack_from("<I20xQQ", data, table + width * number) for number in range(count)
        ]
        _, base, _ = headers[names]
        for name, start, size in headers:
            if data[base + name : base + name + 8] == b".rodata\0":
                return start, min(start + size, len(data))
    except (struct.error, IndexError):
        pass
    return None
