"""What the index holds: a few releases of each library with the ranges that the real ones declare."""

from typing import NamedTuple


class Release(NamedTuple):
    """One release of a library."""

    name: str
    version: str
    day: str
    """Of its upload; "" where the index does not tell."""
    requires: tuple[str, ...] = ()
    python: str = ""
    tag: str = "py3-none-any"
    body: str = ""
    """What its module runs at import, after it has told its version."""


_PEFT = ("numpy>=1.17", "torch>=1.13.0", "transformers", "accelerate>=0.21.0", "safetensors")
_PEFT += ("huggingface-hub>=0.25.0",)
_TORCH = ("filelock", "nvidia-nccl-cu13; platform_system == 'Linux'")
_LINUX = "py3-none-manylinux_2_24_x86_64"

RELEASES = (
    Release("torch", "2.5.1", "2024-10-29", ("filelock",)),
    Release("torch", "2.13.0", "2026-06-01", _TORCH),
    Release("torch", "2.14.1", "2026-09-30", _TORCH),
    Release("torch", "2.15.0", "2026-11-10", _TORCH, ">=3.11"),
    Release("torchvision", "0.20.1", "2024-10-29", ("torch==2.5.1", "numpy")),
    Release("torchvision", "0.28.0", "2026-06-01", ("torch==2.13.0", "numpy")),
    Release("torchvision", "0.29.1", "2026-09-30", ("torch>=2.14.0", "numpy")),
    Release("torchvision", "0.29.2", "2026-11-10", ("torch>=2.14.0", "numpy")),
    Release("nvidia-nccl-cu13", "2.30.7", "2026-05-01"),
    Release("filelock", "3.20.0", "2025-10-01"),
    Release("fsspec", "2026.2.0", "2026-02-05"),
    Release("numpy", "1.26.4", "2024-02-05"),
    Release("numpy", "2.2.6", "2025-05-17"),
    Release("numpy", "2.4.6", "2026-07-01"),
    Release("pyarrow", "25.0.1", "2026-07-10"),
    Release("pyarrow", "26.0.1", "2026-10-20"),
    Release("safetensors", "0.7.0", "2025-11-01"),
    Release("safetensors", "0.8.0", "2026-04-01"),
    Release("huggingface-hub", "0.36.2", "2026-02-06", ("filelock",)),
    Release("huggingface-hub", "1.5.0", "2026-02-26", ("filelock",)),
    Release("huggingface-hub", "1.33.0", "2026-11-01", ("filelock",)),
    Release("huggingface-hub", "2.4.0", "2026-11-15", ("filelock",)),
    Release("tokenizers", "0.22.2", "2026-01-05", ("huggingface-hub>=0.16.4,<2.0",)),
    Release("tokenizers", "0.23.3", "2026-09-01", ("huggingface-hub>=0.16.4,<3.0",)),
    Release(
        "transformers",
        "4.46.3",
        "2024-11-18",
        (
            *("huggingface-hub>=0.23.2,<1.0", "tokenizers>=0.20,<0.21", "numpy>=1.17"),
            *("safetensors>=0.4.1", "filelock", "requests"),
        ),
    ),
    Release(
        "transformers",
        "4.57.6",
        "2026-01-16",
        (
            *("huggingface-hub>=0.34.0,<1.0", "tokenizers>=0.22.0,<=0.23.0", "numpy>=1.17"),
            *("safetensors>=0.4.3", "filelock"),
        ),
    ),
    Release(
        "transformers",
        "5.13.1",
        "2026-07-20",
        (
            *("huggingface-hub>=1.5.0,<2.0", "tokenizers>=0.22.0,<=0.23.0", "numpy>=1.17"),
            "safetensors>=0.8.0",
        ),
        ">=3.10.0",
    ),
    Release(
        "transformers",
        "5.24.0",
        "2026-11-21",
        (
            *("huggingface-hub>=1.31.0,<3.0", "tokenizers>=0.23.1,<0.24.0", "numpy>=1.17"),
            "safetensors>=0.8.0",
        ),
        ">=3.11.0",
    ),
    Release("peft", "0.17.1", "2025-08-21", _PEFT),
    Release("peft", "0.18.1", "2026-01-09", _PEFT),
    Release("peft", "0.19.1", "2026-04-16", _PEFT),
    Release("peft", "0.21.2", "2026-10-01", _PEFT, ">=3.10.0"),
    Release("accelerate", "1.13.0", "2026-03-04", ("torch>=2.0.0", "numpy>=1.17")),
    Release("accelerate", "1.15.0", "2026-10-02", ("torch>=2.0.0", "numpy>=1.17")),
    Release(
        "datasets",
        "4.8.5",
        "2026-05-01",
        ("pyarrow>=21.0.0", "huggingface-hub>=0.25.0,<2.0", "fsspec<=2026.2.0", "numpy>=1.17"),
    ),
    Release(
        "datasets",
        "5.2.0",
        "2026-11-05",
        ("pyarrow>=21.0.0", "huggingface-hub>=0.25.0,<3.0", "fsspec>=2023.1.0", "numpy>=1.17"),
    ),
    Release(
        "trl",
        "0.29.1",
        "2026-03-20",
        ("accelerate>=1.4.0", "datasets>=3.0.0", "transformers>=4.56.2"),
    ),
    Release(
        "trl",
        "1.16.0",
        "2026-10-15",
        (
            *("accelerate>=1.10.1", "datasets>=4.7.0", "huggingface-hub>=0.34.0"),
            "transformers>=4.56.2",
        ),
    ),
    Release("bitsandbytes", "0.46.1", "2025-07-02", ("torch>=2.2,<3", "numpy>=1.17"), "", _LINUX),
    Release("bitsandbytes", "0.50.2", "2026-10-01", ("torch>=2.4,<3", "numpy>=1.17"), "", _LINUX),
    Release("flash-attn", "2.8.3", "2025-08-15", ("torch", "einops"), "", "cp27-cp27m-win32"),
    Release("einops", "0.8.2", "2025-09-01"),
    Release("torchao", "0.12.0", "2025-07-17"),
    Release("torchao", "0.16.0", "2026-02-10"),
    Release("torchao", "0.18.0", "2026-08-03"),
    Release(
        "unsloth",
        "2026.10.9",
        "2026-10-26",
        (
            *("unsloth-zoo>=2026.10.9", "torch>=2.4.0,<2.15.0", "peft>=0.18.0", "trl>=0.18.2"),
            "transformers>=4.52.4,<=5.17.0",
        ),
    ),
    Release("unsloth-zoo", "2026.10.9", "2026-10-26", ("torchao>=0.13.0", "torch>=2.4.0,<2.15.0")),
)


def release(name: str, version: str) -> Release:
    """Return a release of the catalogue; one that it lacks has no requirements."""
    return next(
        (one for one in RELEASES if (one.name, one.version) == (name, version)),
        Release(name, version, ""),
    )
