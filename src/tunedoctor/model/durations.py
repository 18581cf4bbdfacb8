"""How long work takes, from what was measured: one line before it starts.

Measured on 2026-12-03 with 2 CPU cores of a busy machine, torch 2.13, transformers 5.24. What nothing was measured for
has no estimate: the functions return 0.
"""

SMOKE = 12.0
"""Seconds of doctor smoke: 6 on an idle machine, 12 on this one, 22 with a cold disk cache; imports take most."""
_RANKS = 8.0
"""Seconds that several processes need to meet."""
_COMPILE = 22.0
"""Seconds that torch.compile adds to a smoke test with --full."""
_START = 6.0
"""Seconds until torch, transformers and peft are imported."""
_MERGE, _GGUF = 12.0, 37.0
"""Seconds per GB of the model: to merge and write it, and to write it as .gguf and read that back."""
_DOWNLOAD, _DISK, _PROOF = 10e6, 100e6, 30.0
"""Bytes per second that are downloaded and written, and seconds for the import of all packages."""


def about(seconds: float) -> str:
    """Return "about 20 seconds", "about 4 minutes" or "about 1.5 hours"; "" for 0."""
    if seconds <= 0:
        return ""
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5)} seconds"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


def smoke_seconds(*, full: bool, several: bool, minutes: float) -> float:
    """Return how long a smoke test with the tiny model takes; `several`: processes; `minutes`: load afterwards."""
    return SMOKE + _COMPILE * full + _RANKS * several + 60 * minutes


def export_seconds(size: int, *, merged: bool, gguf: bool) -> float:
    """Return how long the conversion of a model of `size` bytes takes; 0 if the size is unknown."""
    return _START + size / 1e9 * (_MERGE * merged + _GGUF * gguf) if size else 0.0


def change_seconds(download_bytes: int, disk_bytes: int) -> float:
    """Return how long it takes to download and install packages and to prove them; 0 if their size is unknown."""
    return _PROOF + download_bytes / _DOWNLOAD + disk_bytes / _DISK if download_bytes else 0.0
