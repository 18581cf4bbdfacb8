"""The closed form against `--exact`: `python benchmarks/exact.py PYTHON [--configs FILE] [--table FILE]`.

PYTHON is an interpreter with torch, transformers and peft. Every model of the catalogue, or every config of FILE (JSON
of configs by name), is traced in several runs on the meta device, no GPU needed. Prints the table; an hour on one core.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.core.fit import SCRIPT, request
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.parameters import parameters, trained_elements
from tunedoctor.memory.peak import WORKSPACES, peak
from tunedoctor.memory.run import STACKS, Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.small import models

GIB = 1 << 30
RUNS = {
    "lora doctor": Run(stack=STACKS["doctor"]),
    "lora hf all kept": Run(stack=STACKS["hf"], checkpointing=False),
    "qlora hf": Run(method="qlora", stack=STACKS["hf"]),
    "full hf": Run(method="full", stack=STACKS["hf"]),
    "full doctor all kept": Run(method="full", stack=STACKS["doctor"], checkpointing=False),
}
"""2048 tokens, rank 16 on all linear modules, SDPA; eager where the class has nothing else."""


class Compared(NamedTuple):
    """One run of one model; GiB."""

    model: str
    run: str
    traced: float
    closed: float
    phases: tuple[str, str]

    @property
    def off(self) -> float:
        """How far the closed form is off, as a part of what was traced."""
        return self.closed / self.traced - 1


def asked(configs: dict[str, dict[str, Any]]) -> list[tuple[str, str, Shape, Run, dict[str, Any]]]:
    """Return what is to be traced."""
    found: list[tuple[str, str, Shape, Run, dict[str, Any]]] = []
    for name, config in configs.items():
        try:
            shape = shape_of(config, name)
        except MemoryModelError as error:
            print(f"{name}: {error}")
            continue
        for title, run in RUNS.items():
            own = run if shape.sdpa else Run(**{**_fields(run), "attention": "eager"})
            found.append((name, title, shape, own, request(config, shape, own)))
    return found


def first_layers(shape: Shape, depth: int) -> Shape:
    """Return the shape of a model that ends after so many layers."""
    kinds = [
        msgspec.structs.replace(one, repeat=1) for one in shape.layers for _ in range(one.repeat)
    ]
    return msgspec.structs.replace(shape, layers=tuple(kinds[:depth]))


def _fields(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def compared(python: str, configs: dict[str, dict[str, Any]]) -> list[Compared]:
    """Trace all and reckon all, in one process."""
    wanted = asked(configs)
    text = "\n".join(json.dumps(one[-1]) for one in wanted)
    argv = [python, "-W", "ignore", "-I", str(SCRIPT)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit(2)
        process.stdin.write(text)
        process.stdin.close()
        found: list[Compared] = []
        for (name, title, shape, run, _), line in zip(wanted, process.stdout, strict=False):
            traced = json.loads(line)
            if "error" in traced:
                print(f"{name}, {title}: {traced['error'][:200]}", flush=True)
                continue
            one = peak(shape, run)
            depth, trained = traced["trained_at"]
            if (
                not shape.beside
                and (said := trained_elements(first_layers(shape, depth), run)) != trained
            ):
                print(f"{name}, {title}: {said} train in {depth} layers, traced {trained}")
            high = max(traced["phases"], key=lambda phase: traced["phases"][phase])
            row = Compared(
                name, title, (traced["peak"] + WORKSPACES) / GIB, one.total / GIB, (high, one.phase)
            )
            found.append(row)
            print(
                f"{name:40} {title:21}{row.traced:9.3f}{row.closed:9.3f}{row.off:+8.2%}  {high} / {one.phase}",
                flush=True,
            )
    return found


def summary(found: list[Compared]) -> str:
    """Return the table in Markdown: each model's runs, and what holds over all."""
    titles = list(RUNS)
    lines = [
        "Traced GiB, and the error of the formulas; 2048 tokens, batch 1, rank 16, all linear modules.",
        "",
        f"| model | {' | '.join(titles)} |",
        "| --- |" + " --- |" * len(titles),
    ]
    for name in dict.fromkeys(one.model for one in found):
        own = {one.run: one for one in found if one.model == name}
        cells = [f"{own[t].traced:.2f} {own[t].off:+.2%}" if t in own else "" for t in titles]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    off = sorted(abs(one.off) for one in found)
    worst = max(found, key=lambda one: abs(one.off))
    lines += [
        "",
        (
            f"{len(off)} runs: median {statistics.median(off):.2%}, "
            f"90th percentile {off[int(0.9 * len(off))]:.2%}, "
            f"worst {abs(worst.off):.2%} ({worst.model}, {worst.run})."
        ),
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Compare and print."""
    options = dict(zip(argv[1::2], argv[2::2], strict=False))
    configs = {row.name: row.config for row in models()}
    if file := options.get("--configs"):
        configs = json.loads(Path(file).read_text(encoding="utf-8"))
    found = compared(argv[0], configs)
    text = summary(found)
    print(text)
    print(
        "parameters:",
        {name: parameters(shape_of(c, name)).total for name, c in configs.items()}
        if file
        else "as in the catalogue",
    )
    if place := options.get("--table"):
        Path(place).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
