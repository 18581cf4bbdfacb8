"""The memory of GPUs on a page: which programs use it, and what fits in the rest."""

from collections.abc import Sequence
from itertools import groupby

from tunedoctor.diagnosis.report import ReportGpu, ReportMachine
from tunedoctor.memory.band import GIB, Device
from tunedoctor.memory.overview import METHODS, Cell, machine_table
from tunedoctor.memory.run import Run
from tunedoctor.model.wording import gib, listed, many
from tunedoctor.render.html import MemoryBar, bars, clean, meter, table
from tunedoctor.render.screen import MARKS

_HUES = 5
_MARK = {"fits": "ok", "tight": "warning", "doesn't fit": "error"}
_METHODS = {"qlora": "QLoRA, 4 bit", "lora": "LoRA, 16 bit", "full": "full"}
Numbered = tuple[int, ReportGpu]


def memory(machine: ReportMachine) -> str:
    """Return a part for each kind of GPU, with unknown values marked."""
    if not machine.gpus:
        none = "There is no GPU." if machine.gpus_known else "The GPUs are unknown."
        return (
            f"<p>{none} <code>doctor fit --gpu NAME</code> estimates for a GPU that you name.</p>"
        )
    kinds = groupby(
        enumerate(machine.gpus),
        key=lambda numbered: (numbered[1].name, numbered[1].room or numbered[1].memory),
    )
    return "".join(_kind(name, size, [*group]) for (name, size), group in kinds)


def _kind(name: str, size: int | None, gpus: Sequence[Numbered]) -> str:
    count = f"{len(gpus)} \u00d7 " if len(gpus) > 1 else ""
    head = f"<h3>{count}{clean(name)}</h3>"
    if not size:
        gap = "It is unknown how much memory training can use here."
        return f'{head}<p class="gap">{gap} <code>doctor fit --vram GIB</code> estimates for a given size.</p>'
    return head + _use(size, gpus) + _jobs(size, gpus)


def _use(size: int, gpus: Sequence[Numbered]) -> str:
    """Return one bar per GPU, a colour key, and the same as a table."""
    rows, cells, key, hue = list[MemoryBar](), list[str](), dict[str, list[str]](), 0
    for number, gpu in gpus:
        name, parts, usages = f"GPU {number}", list[tuple[str, float]](), list[str]()
        for process in gpu.processes:
            kind, hue = f"hue{hue % _HUES}", hue + 1
            size_text = gib(process.memory) if process.memory else "memory unknown"
            usages.append(f"{process.name or 'a program'} ({process.pid}): {size_text}")
            key.setdefault(kind, []).append(f"{usages[-1]} on {name}")
            parts.append((kind, (process.memory or 0) / GIB))
        if gpu.free is None:
            key["untold"], parts = ["usage unknown"], [("untold", size / GIB)]
        elif (rest := (size - gpu.free) / GIB - sum(part for _, part in parts)) > 0:
            key["rest"] = ["driver, and memory of unknown programs"]
            parts.append(("rest", rest))
        free = "usage unknown" if gpu.free is None else f"{gib(gpu.free)} free"
        free = f"{free}, of {gib(size)}"
        rows.append(MemoryBar(name, free, parts))
        who = "; ".join(usages) or "no program is known"
        cells.append(f'<tr><th scope="row">{name}</th><td>{free}</td><td>{clean(who)}</td></tr>')
    says = "; ".join(f"{row.name}: {row.says}" for row in rows)
    swatches = "".join(
        f'<li><svg class="bars" aria-hidden="true" width="12" height="12"><rect class="{kind}" '
        f'width="12" height="12"/></svg> {clean(listed(texts))}</li>'
        for kind, texts in sorted({**key, "whole": ["free"]}.items())
    )
    numbers = table(("GPU", "memory", "in use by"), "".join(cells), "set")
    return (
        f"<figure>{bars('Memory of each GPU', says, 'GiB', rows, size / GIB)}"
        f'<figcaption><ul class="key">{swatches}</ul></figcaption></figure>'
        f"<details><summary>The numbers</summary>{numbers}</details>"
    )


def _jobs(size: int, gpus: Sequence[Numbered]) -> str:
    """Return what `doctor fit` says of the GPU with the most room."""
    number, best = max(gpus, key=lambda numbered: numbered[1].free or 0)
    free = None if best.free is None else best.free / GIB
    fits = machine_table(Device(best.name, best.vendor, size / GIB, free), Run())
    rows = "".join(
        f'<tr><th scope="row">{clean(name.rpartition("/")[2])}</th>'
        f"{''.join(_job(cell, size / GIB, fits.device.usable) for cell in cells)}</tr>"
        for name, cells in groupby(fits.cells, key=lambda cell: cell.model)
    )
    room = (
        f"the {gib(best.free)} that are free now" if best.free is not None else "all of the memory"
    )
    which = f"compared with {room} of GPU {number}" if len(gpus) > 1 else f"compared with {room}"
    about = f"GiB needed with {many(fits.seq, 'token')} per sample, one sample at a time; {which}"
    heads = ("model", *(_METHODS[method] for method in METHODS))
    return f'<h4>What it can train</h4><p class="dim">{about}</p>{table(heads, rows, "jobs")}'


def _job(cell: Cell, size: float, usable: float) -> str:
    kind = _MARK[cell.verdict]
    mark = f'<span class="{kind}" aria-hidden="true">{MARKS[kind]}</span>'
    need = f'{cell.need_gib:.1f}<span class="away"> GiB, {clean(cell.verdict)}</span>'
    return f"<td>{mark} {need}{meter(kind, cell.need_gib / size, usable / size)}</td>"
