"""Compare what training computes with float64 on the CPU, in units of roundoff.

Inputs are rounded to the type first, so that both sides see the same numbers. A unit of roundoff u is half the distance
from 1 to the next number: 2^-24, 2^-8 (bfloat16), 2^-11 (float16). Seen on healthy machines: float32 up to 4.2 u,
16-bit types up to 0.5 u, since both accumulate in float32. TF32 rounds inputs to 11 bits: 2^10 u to 2^14 u of
float32. That is a setting, and told as such.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from typing import Any, Callable

from ..deep import backends
from ..reporting import Missing, Teller, Wrong, installed, reach
from .lab import NEEDED, Lab, began, first_names
from .tiny import STEPS, Batch, GradientRecord, TrainingLoop, batch, llama, wrapped

ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
MOST = {"float32": 50.0, "bfloat16": 4.0, "float16": 4.0}
"""Largest error in units of roundoff, as the norm of the difference over the norm of the right answer."""
TF32 = (2.0**10, 2.0**14)


def stages(tell: Teller, lab: Lab) -> bool:
    """Compare each number type in a separate stage; return False if float32 is wrong."""
    good = tell.stage("kernels float32", compare, lab, "float32")
    # no one trains in float16 on a CPU
    others = ("bfloat16",) if lab.kind == "cpu" else ("bfloat16", "float16")
    for name in others:
        tell.stage("kernels " + name, compare, lab, name)
    return good


def compare(lab: Lab, name: str, data: dict[str, Any]) -> None:
    """Run all operations in one number type, and attention with each back-end that supports it."""
    torch = lab.torch
    dtype = getattr(torch, name)
    if name == "bfloat16" and lab.half is not dtype:
        raise Missing(f"{data.get('name') or lab.device} has no native bfloat16 arithmetic")
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
        errors = first_names([f"{what} by {units[what]:.3g}" for what in bad])
        text = f"{name} on {lab.device} is off: {errors} units of roundoff"
        raise Wrong("wrong-numbers", f"{text}, where {MOST[name]:g} is allowed")


def _whole_numbers(torch: Any) -> None:
    """Compare the reference itself with plain Python."""
    rows = [[(3 * i + j) % 7 - 3 for j in range(8)] for i in range(8)]
    right = [[sum(a * b for a, b in zip(row, col)) for col in zip(*rows)] for row in rows]
    for dtype in (torch.float64, torch.float32):
        one = torch.tensor(rows, dtype=dtype)
        if (one @ one).tolist() != right:
            text = "a product of small whole numbers on the CPU is wrong in "
            raise Wrong("wrong-numbers", text + str(dtype).replace("torch.", ""))


def operations(torch: Any) -> list[tuple[str, list[tuple[int, ...]], Callable[..., Any]]]:
    """Return the operations of a training: name, shapes of the inputs, the computation."""
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


SAME = 1e-4
"""Largest relative difference of a loss or gradient that recomputing or compiling makes in float32."""
HALF = 0.1
"""Largest relative difference of the first losses in 16 bits to those in float32; up to 0.02 was seen."""
PATIENCE = 18
"""Seconds for one item; spawned workers import torch first. Shorter than the doctor takes for a hang."""
BLOCK = 16 << 20
"""Bytes of one item that a worker sends: two workers with two each in flight need 64 MiB, docker's whole /dev/shm."""
RANGE = {"8-bit": (0.001, 0.05), "4-bit": (0.02, 0.2)}
"""Error of outputs as a share of their size: smaller means not quantised, larger wrong. Seen: 0.01 and 0.09."""
QLORA_STEPS = 6


def checkpointing(lab: Lab, one: Batch, data: dict[str, Any]) -> None:
    """Recompute activations: same loss, same gradients, and every adapter gets one."""
    model = wrapped(lab, llama(lab))
    model.train()
    one.loss(model).backward()
    plain = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    # renamed in transformers 5; the old name leaves with 6
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next((getattr(model, n) for n in names if hasattr(model, n)), None)
    if enable is None:
        raise Missing("this model has no gradient checkpointing")
    enable()
    # what trainers do, since frozen embeddings break the chain of gradients
    model.enable_input_require_grads()
    loss = one.loss(model)
    if loss.requires_grad:
        loss.backward()
    ledger = GradientRecord(lab.torch, model)
    ledger.read()
    dead, count = ledger.dead(), len(ledger.trained)
    if dead:
        text = f"with gradient checkpointing {len(dead)} of {count} adapters get no gradient"
        raise Wrong("no-backward-checkpointing", f"{text}: {first_names(dead)}")
    pairs = ((p.grad, plain[name]) for name, p in ledger.trained)
    apart = (float((now - was).norm() / (was.norm() + 1e-12)) for now, was in pairs)
    data["difference"] = worst = max(apart)
    if not worst <= SAME:
        text = f"gradient checkpointing changes gradients by {worst:.2g} of their size"
        raise Wrong("checkpointing-differs", text)


def half(lab: Lab, one: Batch, wide: list[float], data: dict[str, Any]) -> None:
    """Train a base in 16 bits with float32 adapters: the first losses are those of float32, roughly."""
    data["dtype"] = dtype = str(lab.half).replace("torch.", "")
    run = TrainingLoop(lab, wrapped(lab, llama(lab, lab.half)), [one])
    for _ in wide[:4]:
        run.step()
        if what := run.unsound():
            raise Wrong("half-not-finite", f"{what} is not finite in {dtype}")
    lab.sync()
    data["losses"] = run.rounded_losses()
    data["difference"] = worst = max(abs(a - b) / b for a, b in zip(run.losses, wide))
    if not worst <= HALF:
        text = f"losses in {dtype} are off by {worst:.0%} of those in float32"
        raise Wrong("half-differs", text)


class Blocks:
    """A data set of four blocks; item i contains the number i."""

    def __len__(self) -> int:
        """Return 4."""
        return 4

    def __getitem__(self, i: int) -> Any:
        """Return a block."""
        return importlib.import_module("torch").full((BLOCK // 4,), float(i))


def workers(lab: Lab, _: object) -> None:
    """Load data by two worker processes, through shared memory."""
    loader = reach(lab.torch, "utils.data.DataLoader")
    # what a worker can't send it tells on standard error alone, and the one who waits is not told
    sent = loader(Blocks(), batch_size=None, num_workers=2, timeout=PATIENCE)
    try:
        found = [float(one[-1]) for one in sent]
    except RuntimeError as error:
        raise Wrong("workers-silent", str(error).splitlines()[0]) from error
    if found != [0.0, 1.0, 2.0, 3.0]:
        raise Wrong("wrong-data", f"workers sent {found} in place of 0 to 3")


def compiling(tell: Teller, asked: Any) -> None:
    """Compile a forward and its backward, and compare."""
    lab = Lab(asked.device)
    if began(tell, lab, "torch"):
        tell.stage("compile", _compiled, lab)


def _compiled(lab: Lab, data: dict[str, Any]) -> None:
    torch = lab.torch
    torch.manual_seed(0)

    def work(x: Any, w: Any) -> Any:
        return torch.nn.functional.silu(x @ w).pow(2).mean()

    began = time.perf_counter()
    x, start = (torch.randn(rows, 64, device=lab.device) for rows in (32, 64))
    results = []
    for one in (work, reach(torch, "compile")(work)):
        w = start.clone().requires_grad_()
        one(x, w).backward()
        results.append(w.grad)
    lab.sync()
    data["seconds"] = round(time.perf_counter() - began, 1)
    data["difference"] = worst = float((results[1] - results[0]).norm() / results[0].norm())
    if not worst <= SAME:
        raise Wrong("compile-differs", f"the compiled gradient is off by {worst:.2g} of its size")


def quantised(tell: Teller, asked: Any) -> None:
    """Run 8-bit and 4-bit layers, each alone, and steps of QLoRA on the tiny model."""
    lab = Lab(asked.device)
    scratch = asked.scratch or tempfile.mkdtemp(prefix="doctor-smoke-")
    # where it is not installed, nothing else is worth importing
    first = NEEDED if installed("bitsandbytes") else ()
    if began(tell, lab, *first, "bitsandbytes"):
        tell.stage("8-bit", _layer, lab, "8-bit")
        if tell.stage("4-bit", _layer, lab, "4-bit"):
            tell.stage("QLoRA step", _qlora, lab, scratch)


def _layer(lab: Lab, kind: str, data: dict[str, Any]) -> None:
    """Quantise one linear layer; outputs are near those of the full one, and gradients come through."""
    torch = lab.torch
    layers = reach(lab.bitsandbytes, "nn")
    torch.manual_seed(0)
    full = torch.nn.Linear(256, 512, bias=False)
    dtype = torch.float32 if lab.kind == "cpu" else torch.float16
    if kind == "4-bit":
        settings = {"quant_type": "nf4", "compute_dtype": dtype, "compress_statistics": True}
        small = reach(layers, "Linear4bit")(256, 512, bias=False, **settings)
    else:
        small = reach(layers, "Linear8bitLt")(256, 512, bias=False, has_fp16_weights=False)
    small.load_state_dict({"weight": full.weight.data.clone()}, strict=False)
    small = small.to(lab.device)
    x = torch.randn(16, 256)
    moved = x.to(lab.device).to(dtype).requires_grad_()
    found, right = small(moved), full(x)
    found.float().sum().backward()
    data["difference"] = error = float((found.detach().float().cpu() - right).norm() / right.norm())
    low, high = RANGE[kind]
    if not low <= error <= high:
        text = f"outputs of a {kind} layer are off by {error:.3g}, where {low} to {high} is usual"
        raise Wrong("quantised-differs", text)
    if moved.grad is None or not bool(torch.isfinite(moved.grad).all()):
        raise Wrong("quantised-differs", f"no finite gradient comes through a {kind} layer")


def _qlora(lab: Lab, scratch: str, data: dict[str, Any]) -> None:
    """Load the tiny model in 4 bits and train adapters for a few steps: the loss falls."""
    parts = lab.transformers
    folder = os.path.join(scratch, "base")
    llama(lab).save_pretrained(folder)
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    settings = parts.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=lab.half, **four)
    model = parts.LlamaForCausalLM.from_pretrained(
        folder, quantization_config=settings, device_map={"": lab.device}
    )
    model = lab.peft.prepare_model_for_kbit_training(model)
    run = TrainingLoop(lab, wrapped(lab, model), [batch(lab)])
    run.model.train()
    for _ in range(QLORA_STEPS):
        run.step(STEPS)
    data["losses"] = run.rounded_losses()
    first, last, missing = run.losses[0], run.losses[-1], len(run.ledger.missing)
    if missing or not last < first:
        text = f"QLoRA does not learn: loss {first:.3g} to {last:.3g}"
        raise Wrong("loss-stays", f"{text}, {missing} adapters without a gradient")
