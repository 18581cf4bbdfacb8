"""Compare what training computes with float64 on the CPU, in units of roundoff.

Inputs are rounded to the type first, so that both sides see the same numbers. A unit of roundoff u is half the distance
from 1 to the next number: 2^-24, 2^-8 (bfloat16), 2^-11 (float16). Seen on healthy machines: float32 up to 4.2 u,
16-bit types up to 0.5 u, since both accumulate in float32. TF32 rounds inputs to 11 bits: 2^10 u to 2^14 u of
float32. That is a setting, and told as such.
"""

from __future__ import annotations

from typing import Any, Callable

from ..deep import backends
from ..telling import Missing, Teller, Wrong
from .lab import Lab, shown

ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
MOST = {"float32": 50.0, "bfloat16": 4.0, "float16": 4.0}
"""Largest error in units of roundoff, as the norm of the difference over the norm of the right answer."""
TF32 = (2.0**10, 2.0**14)


def stages(tell: Teller, lab: Lab) -> bool:
    """Compare each type in a stage of its own; False where float32 is wrong."""
    good = tell.stage("kernels float32", compare, lab, "float32")
    # float16 on a CPU trains nobody's model
    others = ("bfloat16",) if lab.kind == "cpu" else ("bfloat16", "float16")
    for name in others:
        tell.stage("kernels " + name, compare, lab, name)
    return good


def compare(lab: Lab, name: str, data: dict[str, Any]) -> None:
    """Run all operations in one type, and attention with each back-end that takes it."""
    torch = lab.torch
    dtype = getattr(torch, name)
    if name == "bfloat16" and lab.half is not dtype:
        raise Missing(f"{data.get('name') or lab.device} has no bfloat16 arithmetic of its own")
    if name == "float32":
        _whole_numbers(torch)
    made = torch.Generator().manual_seed(0)
    units: dict[str, float] = {}
    for what, shapes, work in operations(torch):
        inputs = [torch.randn(*s, generator=made, dtype=torch.float64).to(dtype) for s in shapes]
        units[what] = _error(lab, work, inputs, what) / ROUNDOFF[name]
    units.update(_attention(lab, dtype, made, ROUNDOFF[name], data))
    data["units"] = {what: round(error, 2) for what, error in units.items()}
    bad = [what for what, error in units.items() if error > MOST[name]]
    if name == "float32" and lab.kind != "cpu":
        rough = [what for what in bad if TF32[0] <= units[what] <= TF32[1]]
        if rough:
            data["note"] = "TF32 is on: float32 products have 11 bits"
            bad = [what for what in bad if what not in rough]
    if bad:
        errors = shown([f"{what} by {units[what]:.3g}" for what in bad])
        text = f"{name} on {lab.device} is off: {errors} units of roundoff"
        raise Wrong("wrong-numbers", f"{text}, where {MOST[name]:g} is allowed")


def _whole_numbers(torch: Any) -> None:
    """Hold the reference itself against plain Python."""
    rows = [[(3 * i + j) % 7 - 3 for j in range(8)] for i in range(8)]
    right = [[sum(a * b for a, b in zip(row, col)) for col in zip(*rows)] for row in rows]
    for dtype in (torch.float64, torch.float32):
        one = torch.tensor(rows, dtype=dtype)
        if (one @ one).tolist() != right:
            text = "a product of small whole numbers on the CPU is wrong in "
            raise Wrong("wrong-numbers", text + str(dtype).replace("torch.", ""))


def operations(torch: Any) -> list[tuple[str, list[tuple[int, ...]], Callable[..., Any]]]:
    """Return what training is made of: name, shapes of the inputs, the computation."""
    functional = torch.nn.functional

    def backward(x: Any, w: Any, upstream: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        functional.linear(x, w).backward(upstream)
        return torch.cat([x.grad.flatten(), w.grad.flatten()])

    def loss(x: Any) -> Any:
        right = torch.arange(x.shape[0], device=x.device)
        wide = x if x.dtype == torch.float64 else x.float()
        return functional.cross_entropy(wide, right, reduction="none")

    found: list[tuple[str, list[tuple[int, ...]], Callable[..., Any]]] = [
        ("matmul", [(257, 384), (384, 190)], lambda a, b: a @ b),
        ("linear backward", [(128, 256), (300, 256), (128, 300)], backward),
        ("softmax", [(64, 1000)], lambda x: (4 * x).softmax(-1)),
        ("cross entropy", [(100, 1009)], loss),
    ]
    if hasattr(functional, "rms_norm"):  # since torch 2.4
        norm = lambda x, w: functional.rms_norm(x, (512,), w, 1e-6)  # noqa: E731
        found.append(("RMS norm", [(33, 512), (512,)], norm))
    return found


def _error(lab: Lab, work: Callable[..., Any], inputs: list[Any], what: str) -> float:
    right = work(*[one.double() for one in inputs])
    found = work(*[one.to(lab.device) for one in inputs]).cpu().double()
    if not bool(lab.torch.isfinite(found).all()):
        raise Wrong("not-finite", f"{what} on {lab.device} gives numbers that are not finite")
    return float((found - right).norm() / right.norm())


def _attention(
    lab: Lab, dtype: Any, made: Any, unit: float, data: dict[str, Any]
) -> dict[str, float]:
    """Compare causal attention of every back-end that takes the type on this device."""
    torch = lab.torch
    run = torch.nn.functional.scaled_dot_product_attention
    shape = (2, 4, 67, 64)
    qkv = [torch.randn(*shape, generator=made, dtype=torch.float64).to(dtype) for _ in range(3)]

    def work(a: Any, b: Any, c: Any) -> Any:
        return run(a, b, c, is_causal=True)

    units = {"attention": _error(lab, work, qkv, "attention") / unit}
    data["attention"] = []
    try:
        found = backends()
    except Missing:
        return units
    for name, chosen in found:

        def by_it(*inputs: Any, chosen: Any = chosen) -> Any:
            if inputs[0].dtype == torch.float64:  # the right answer
                return work(*inputs)
            with chosen:
                return work(*inputs)

        try:
            units["attention " + name] = _error(lab, by_it, qkv, name + " attention") / unit
        except RuntimeError as refused:
            if not any(f"No {one} " in str(refused) for one in ("available", "viable")):
                raise
        else:
            data["attention"].append(name)
    return units
