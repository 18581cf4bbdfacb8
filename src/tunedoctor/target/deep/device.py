"""Stages of what torch computes on: its GPUs, else the CPU."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from typing import TYPE_CHECKING, Any, Iterator

from .telling import LONGEST, Missing, attempt, reach, text_of

if TYPE_CHECKING:
    from .telling import Teller

TOLERANCE = {"float32": 0.01, "float16": 0.01, "bfloat16": 0.05}
"""Largest difference to the CPU, as a share of the largest number; float32 allows for TF32."""


def kind_of(torch: Any) -> str:
    """Return the kind of device that this build is for: cuda, rocm, xpu, mps or ""."""
    if text_of(torch, "version.hip"):
        return "rocm"
    if text_of(torch, "version.cuda"):
        return "cuda"
    if text_of(torch, "version.xpu") or attempt(torch, "xpu.is_available"):
        return "xpu"
    built = attempt(torch, "backends.mps.is_built")
    return "mps" if built else ""


def init_gpu(torch: Any, kind: str, data: dict[str, Any]) -> None:
    """Ask whether the GPU works and, if not, why."""
    data["kind"] = kind
    name = {"mps": "backends.mps", "xpu": "xpu"}.get(kind, "cuda")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data["available"] = bool(reach(torch, name + ".is_available")())
    reasons = [str(w.message)[:LONGEST] for w in caught]
    init = getattr(reach(torch, name), "init", None) if kind in ("cuda", "rocm", "xpu") else None
    if data["available"]:
        data["kind"] = kind or "cuda"
        for text in reasons:
            warnings.warn(text, UserWarning, stacklevel=1)
        if init is not None:
            init()
        count = attempt(torch, name + ".device_count")
        data["count"] = count if isinstance(count, int) else 1
        archs = attempt(torch, name + ".get_arch_list")
        data["archs"] = [str(a) for a in archs] if isinstance(archs, (list, tuple)) else []
    elif init is not None:
        try:
            init()
        except Exception as error:  # the very text that is wanted
            reasons.append((type(error).__name__ + ": " + str(error))[:LONGEST])
    data["gpu_error"] = "\n".join(dict.fromkeys(reasons)) if not data["available"] else ""


def describe(torch: Any, kind: str, index: int, data: dict[str, Any]) -> None:
    """Note what torch says of one device."""
    device: dict[str, Any] = {"kind": kind, "index": index, "name": ""}
    data["device"] = device
    if kind == "mps":
        device["name"] = "Apple GPU"
        size = attempt(torch, "mps.recommended_max_memory")
        device["memory_total"] = size if isinstance(size, int) else None
        return
    space = "xpu" if kind == "xpu" else "cuda"
    name = attempt(torch, space + ".get_device_name", index)
    shape = attempt(torch, space + ".get_device_capability", index) if space == "cuda" else None
    properties = attempt(torch, space + ".get_device_properties", index)
    device["name"] = str(name or getattr(properties, "name", ""))
    if kind == "cuda" and isinstance(shape, (list, tuple)) and len(shape) == 2:
        device["compute_capability"] = f"{shape[0]}.{shape[1]}"
        device["bf16"] = tuple(shape) >= (8, 0)
    elif kind == "rocm":
        bf16 = attempt(torch, "cuda.is_bf16_supported")
        device["bf16"] = bf16 if isinstance(bf16, bool) else None
        device["gfx"] = str(getattr(properties, "gcnArchName", "")).split(":")[0]
    size = getattr(properties, "total_memory", None)
    device["memory_total"] = size if isinstance(size, int) and size >= 0 else None


def matmul(torch: Any, device: str, dtype: str) -> None:
    """Compare a product on the device with that of the CPU."""
    kind = reach(torch, dtype)
    left = reach(torch, "randn")(64, 64)
    want = left @ left
    moved = left.to(device).to(kind)
    got = (moved @ moved).float().cpu()
    worst = float((got - want).abs().max() / want.abs().max())
    if not worst <= TOLERANCE[dtype]:  # NaN as well
        raise ValueError(
            f"the product on {device} is off by {worst:.3g} of the largest number on the CPU"
        )


def backends() -> list[tuple[str, Any]]:
    """Return the back-ends of scaled dot product attention that this torch knows, and what chooses each in a `with`.

    Raises:
        Missing: before torch 2.3 none can be chosen.
    """
    try:
        module = importlib.import_module("torch.nn.attention")
        kinds, choose = module.SDPBackend, module.sdpa_kernel
    except (ImportError, AttributeError):
        raise Missing("torch.nn.attention is not there") from None

    @contextlib.contextmanager
    def chosen(kind: Any) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they warn why they do not fit
            with choose(kind):
                yield

    names = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
    there = [(name.split("_")[0].lower(), getattr(kinds, name, None)) for name in names]
    return [(name, chosen(kind)) for name, kind in there if kind is not None]


def attention(torch: Any, device: str, data: dict[str, Any]) -> None:
    """Which back-ends of scaled dot product attention run."""
    data["attention"] = []
    run = reach(torch, "nn.functional.scaled_dot_product_attention")
    dtype = torch.float32 if device == "cpu" else torch.float16
    last: Exception | None = None
    for name, chosen in backends():
        query = torch.ones(1, 2, 64, 64, dtype=dtype, device=device)
        try:
            with chosen:
                float(run(query, query, query).sum())
        except Exception as error:  # this back-end is not for this device
            last = error
        else:
            data["attention"].append(name)
    if not data["attention"] and last is not None:
        raise last


def compiled(torch: Any, device: str) -> None:
    """torch.compile of one line."""
    double = reach(torch, "compile")(lambda x: x * 2 + 1)
    if float(double(reach(torch, "ones")(8, device=device)).sum()) != 24.0:
        raise ValueError("the compiled function gave a wrong result")


def device_name(kind: str, index: int) -> str:
    """Return the device as torch calls it: a ROCm device is a cuda one."""
    return "mps" if kind == "mps" else f"{'xpu' if kind == 'xpu' else 'cuda'}:{index}"


def run_device(tell: Teller, torch: Any, kind: str, index: int) -> None:
    """Stages of one device."""
    device = device_name(kind, index)
    tell.stage("device " + device, lambda data: describe(torch, kind, index, data))
    for dtype in TOLERANCE:
        tell.stage(f"matmul {device} {dtype}", lambda _, d=dtype: matmul(torch, device, d))  # type: ignore[misc]
