"""Compare what training computes with float64 on the CPU, in units of roundoff.

Inputs are rounded to the type first, so that both sides see the same numbers. A unit of roundoff u is half the distance
from 1 to the next number: 2^-24, 2^-8 (bfloat16), 2^-11 (float16). Seen on healthy machines: float32 up to 4.2 u,
16-bit types up to 0.5 u, since both accumulate in float32. TF32 rounds inputs to 11 bits: 2^10 u to 2^14 u of
float32. That is a setting, and told as such.
"""

import importlib
import warnings
from typing import Any, Callable, Dict, List, Tuple

from .lab import Lab
from .tell import Missing, Narrator, shown, wrong

ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
MOST = {"float32": 50.0, "bfloat16": 4.0, "float16": 4.0}
"""Largest error in units of roundoff, as the norm of the difference over the norm of the right answer."""
TF32 = (2.0**10, 2.0**14)
BACKENDS = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")

Work = Callable[..., Any]


def stages(tell: Narrator, lab: Lab) -> bool:
    """Compare each type in a stage of its own; False where float32 is wrong."""
    good = tell.stage("kernels float32", lambda data: compare(lab, "float32", data))
    # float16 on a CPU trains nobody's model
    others = ("bfloat16",) if lab.kind == "cpu" else ("bfloat16", "float16")
    for name in others:
        tell.stage("kernels " + name, lambda data, n=name: compare(lab, n, data))  # type: ignore[misc]
    return good


def compare(lab: Lab, name: str, data: Dict[str, Any]) -> None:
    """Run all operations in one type, and attention with each back-end that takes it."""
    torch = lab.torch
    dtype = getattr(torch, name)
    if name == "bfloat16" and lab.half is not dtype:
        text = "{} has no bfloat16 arithmetic of its own".format(data.get("name") or lab.device)
        raise Missing(text)
    if name == "float32":
        _whole_numbers(torch, data)
    made = torch.Generator().manual_seed(0)
    units: Dict[str, float] = {}
    for what, shapes, work in operations(torch):
        inputs = [torch.randn(*s, generator=made, dtype=torch.float64).to(dtype) for s in shapes]
        units[what] = _error(lab, work, inputs, what, data) / ROUNDOFF[name]
    units.update(_attention(lab, dtype, made, ROUNDOFF[name], data))
    data["units"] = {what: round(error, 2) for what, error in units.items()}
    _judge(lab, name, units, data)


def _judge(lab: Lab, name: str, units: Dict[str, float], data: Dict[str, Any]) -> None:
    bad = [what for what, error in units.items() if error > MOST[name]]
    if name == "float32" and lab.kind != "cpu":
        rough = [what for what in bad if TF32[0] <= units[what] <= TF32[1]]
        if rough:
            data["note"] = "TF32 is on: float32 products have 11 bits"
            bad = [what for what in bad if what not in rough]
    if bad:
        errors = ["{} by {:.3g}".format(what, units[what]) for what in bad]
        text = "{} on {} is off: {} units of roundoff, where {:g} is allowed".format(
            name, lab.device, shown(errors), MOST[name]
        )
        raise wrong(data, "wrong-numbers", text)


def _whole_numbers(torch: Any, data: Dict[str, Any]) -> None:
    """Hold the reference itself against plain Python."""
    rows = [[(3 * i + j) % 7 - 3 for j in range(8)] for i in range(8)]
    right = [[sum(a * b for a, b in zip(row, col)) for col in zip(*rows)] for row in rows]  # noqa: B905  of Python 3.10
    for dtype in (torch.float64, torch.float32):
        one = torch.tensor(rows, dtype=dtype)
        if (one @ one).tolist() != right:
            name = str(dtype).replace("torch.", "")
            text = "a product of small whole numbers on the CPU is wrong in {}".format(name)
            raise wrong(data, "wrong-numbers", text)


def operations(torch: Any) -> List[Tuple[str, List[Tuple[int, ...]], Work]]:
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

    found: List[Tuple[str, List[Tuple[int, ...]], Work]] = [
        ("matmul", [(257, 384), (384, 190)], lambda a, b: a @ b),
        ("linear backward", [(128, 256), (300, 256), (128, 300)], backward),
        ("softmax", [(64, 1000)], lambda x: (4 * x).softmax(-1)),
        ("cross entropy", [(100, 1009)], loss),
    ]
    if hasattr(functional, "rms_norm"):  # since torch 2.4
        norm = lambda x, w: functional.rms_norm(x, (512,), w, 1e-6)  # noqa: E731
        found.append(("RMS norm", [(33, 512), (512,)], norm))
    return found


def _error(lab: Lab, work: Work, inputs: List[Any], what: str, data: Dict[str, Any]) -> float:
    right = work(*[one.double() for one in inputs])
    found = work(*[one.to(lab.device) for one in inputs]).cpu().double()
    if not bool(lab.torch.isfinite(found).all()):
        text = "{} on {} gives numbers that are not finite".format(what, lab.device)
        raise wrong(data, "not-finite", text)
    return float((found - right).norm() / right.norm())


def _attention(
    lab: Lab, dtype: Any, made: Any, unit: float, data: Dict[str, Any]
) -> Dict[str, float]:
    """Compare causal attention of every back-end that takes the type on this device."""
    torch = lab.torch
    run = torch.nn.functional.scaled_dot_product_attention
    shape = (2, 4, 67, 64)
    q, k, v = (torch.randn(*shape, generator=made, dtype=torch.float64).to(dtype) for _ in range(3))

    def work(a: Any, b: Any, c: Any) -> Any:
        return run(a, b, c, is_causal=True)

    units = {"attention": _error(lab, work, [q, k, v], "attention", data) / unit}
    data["attention"] = []
    try:
        module = importlib.import_module("torch.nn.attention")
        backends, choose = module.SDPBackend, module.sdpa_kernel
    except (ImportError, AttributeError):  # before torch 2.3
        return units
    right = work(q.double(), k.double(), v.double())
    moved = [one.to(lab.device) for one in (q, k, v)]
    for name in BACKENDS:
        backend = getattr(backends, name, None)
        if backend is None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they warn why they do not fit
                with choose(backend):
                    found = work(*moved).cpu().double()
        except RuntimeError as error:
            if "No available kernel" in str(error) or "No viable backend" in str(error):
                continue
            raise
        short = name.split("_")[0].lower()
        data["attention"].append(short)
        if not bool(torch.isfinite(found).all()):
            text = "{} attention on {} gives numbers that are not finite".format(short, lab.device)
            raise wrong(data, "not-finite", text)
        units["attention " + short] = float((found - right).norm() / right.norm()) / unit
    return units
