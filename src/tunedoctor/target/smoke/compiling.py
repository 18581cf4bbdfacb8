"""torch.compile, in a process of its own: it takes seconds, and a missing compiler shows only here."""

import time
from typing import Any, Dict

from .lab import Lab, choose_device, import_one, needs
from .tell import Narrator, wrong

SAME = 1e-4
"""Largest relative difference between compiled and plain."""


def compiling(tell: Narrator, asked: Any) -> None:
    """Compile a forward and its backward, and compare."""
    lab = Lab(asked.device)
    if import_one(tell, lab, "torch") and tell.stage(
        "device", lambda data: choose_device(lab, data)
    ):
        tell.stage("compile", lambda data: _compare(lab, data))


def _compare(lab: Lab, data: Dict[str, Any]) -> None:
    torch = lab.torch
    torch.manual_seed(0)

    def work(x: Any, w: Any) -> Any:
        return torch.nn.functional.silu(x @ w).pow(2).mean()

    began = time.perf_counter()
    compiled = needs(torch, "compile")(work)
    results = []
    x = torch.randn(32, 64, device=lab.device)
    start = torch.randn(64, 64, device=lab.device)
    for one in (work, compiled):
        w = start.clone().requires_grad_()
        one(x, w).backward()
        results.append(w.grad)
    lab.sync()
    data["seconds"] = round(time.perf_counter() - began, 1)
    worst = float((results[1] - results[0]).norm() / results[0].norm())
    data["difference"] = worst
    if not worst <= SAME:
        text = "the compiled gradient is off by {:.2g} of its size".format(worst)
        raise wrong(data, "compile-differs", text)
