"""The task for the search: what must hold, what is pinned, what is preferred."""

from collections.abc import Iterator, Mapping
from typing import Literal

from tunedoctor.facts import TorchBuild
from tunedoctor.installers.uv import Question
from tunedoctor.sets.covers import Pair, between
from tunedoctor.sets.search import Task
from tunedoctor.sets.torch_pick import TorchPick
from tunedoctor.sets.truths import firing, reason
from tunedoctor.sets.wanted import PAIRED, Wanted, floors, with_torch
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.versions import pep440


def task_of(
    want: Wanted,
    torch: TorchPick,
    installed: TorchBuild | None,
    question: Question,
    dropped: frozenset[str],
) -> Task:
    """Return the task for one build of torch; `dropped` packages are not in it."""
    paired = {"torchvision": torch.torchvision, "torchaudio": torch.torchaudio}
    roots = [n for n in want.roots if n not in dropped and n != "torch"]
    lowest = floors()
    needs = [f"torch=={torch.stand_in or torch.version}"]
    for name in roots:
        floor = "" if want.asked.get(name) else lowest.get(name, "")
        have = pep440(want.installed.get(name, ""))
        if floor and have is not None and (low := pep440(floor)) is not None and have < low:
            floor = str(have)
        bound = f">={floor}" if floor else ""
        needs.append(f"{name}{','.join(filter(None, (want.asked.get(name, ''), bound)))}")
    fixed = {"torch"}
    given = [
        f"{n}=={paired[n]}" for n in PAIRED if n in roots and paired[n] and not want.asked.get(n)
    ]
    fixed |= {n for n in PAIRED if paired[n]}
    inside = frozenset(roots)
    pinned = {n: v for n, v in want.installed.items() if n in inside and n not in fixed}
    beside = {n: v for n, v in want.installed.items() if n not in inside and n != "torch"}
    if not torch.kept:
        beside = {n: v for n, v in beside.items() if not with_torch(n)}
    excluding = between((*want.unmet, *_broken(want.installed, _build(torch, installed))), pinned)
    return Task(
        requirements=tuple(needs),
        constraints=(*want.outside, *given),
        pinned=pinned,
        preferred=tuple(
            f"{n}=={v}" for n, v in want.installed.items() if n not in fixed and not with_torch(n)
        ),
        beside=beside,
        fixed=frozenset(fixed),
        build=_build(torch, installed),
        asked=frozenset(want.asked),
        excluding=excluding,
        question=question,
    )


def _broken(versions: Mapping[str, str], build: TorchBuild | None) -> Iterator[Pair]:
    """Yield the known breaks among what is installed; those of torch and of what is absent can end otherwise."""
    for pair in firing(versions, build):
        names = frozenset(pair.row.names)
        if pair.row.severity == "error" and not pair.row.absent:
            yield Pair(names, reason(pair))


def _build(torch: TorchPick, installed: TorchBuild | None) -> TorchBuild | None:
    if torch.kept and installed is not None:
        return installed
    return TorchBuild(
        version=torch.version,
        variant=torch.variant,
        cuda=cuda_of(torch.variant) if torch.variant.startswith("cu") else "",
        accelerator=_ACCELERATOR.get(torch.variant.rstrip("0123456789."), "unknown"),
    )


_ACCELERATOR: dict[str, Literal["cuda", "rocm", "xpu", "mps", "cpu"]] = {
    "cu": "cuda",
    "rocm": "rocm",
    "xpu": "xpu",
    "mps": "mps",
    "cpu": "cpu",
}
