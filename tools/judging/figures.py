"""Figures as trees of dicts, with functions to write, print and compare them.

A leaf is a number, a string that says why there is no number, or [k, n]: k of n cases.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Figures = dict[str, Any]
LOWER = {
    "wrong",
    "false_on_healthy",
    "false_on_unknown",
    "false_fits",
    "false_findings",
    "cpu_ms",
    "starts",
}
LOWER |= {"median_error", "p90_error", "worst_error"}
"""Figures that are better if lower."""
NEITHER = {"silent", "cases", "skipped", "bare_interpreter_ms"}
"""Figures that are neither better nor worse: silence is not a right answer, and right answers are counted."""
NOISE = {"cpu_ms": 0.3, "starts": 0.1, "choices_per_cpu_second": 0.3}
"""Share by which a figure varies between runs on a shared machine; all others are reproducible."""


class Difference(NamedTuple):
    """A figure that changed: `verdict` is better, worse or changed."""

    path: str
    before: object
    after: object
    verdict: str


def leaves(node: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each figure with its dotted path."""
    if isinstance(node, dict):
        for name, below in node.items():
            yield from leaves(below, f"{path}.{name}" if path else name)
    else:
        yield path, node


def compare(before: Figures, after: Figures) -> list[Difference]:
    """Return the figures that differ; a missing one, or one with fewer cases, is worse."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return [
        Difference(path, old.get(path), new.get(path), _verdict(path, old.get(path), new.get(path)))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _verdict(path: str, old: Any, new: Any) -> str:  # noqa: ANN401  any leaf
    name = path.rpartition(".")[2]
    if old is None or isinstance(old, str) or name in NEITHER:
        return "changed"
    if new is None or isinstance(new, str):
        return "worse"
    if isinstance(old, list):
        if new[1] < old[1]:
            return "worse"
        # with more cases than before, neither the count nor the share decides alone
        gains = [new[0] - old[0], new[0] * old[1] - old[0] * new[1]]
    else:
        gains = [new - old]
        if abs(new - old) <= NOISE.get(name, 0) * abs(old):
            return "changed"
    sign = -1 if name in LOWER else 1
    if all(sign * gain < 0 for gain in gains):
        return "worse"
    return "better" if all(sign * gain > 0 for gain in gains) else "changed"


def shown(leaf: object) -> str:
    """Return a figure in readable form."""
    if isinstance(leaf, list):
        return f"{leaf[0]}/{leaf[1]} {leaf[0] / max(leaf[1], 1):.1%}"
    return f"{leaf:.4g}" if isinstance(leaf, float) else str(leaf)


def table(node: Figures, path: str = "") -> Iterator[str]:
    """Yield a line for each innermost group of figures."""
    plain = {name: below for name, below in node.items() if not isinstance(below, dict)}
    if plain:
        told = "   ".join(f"{name} {shown(leaf)}" for name, leaf in plain.items())
        yield f"{path:46} {told}"
    for name, below in node.items():
        if name not in plain:
            yield from table(below, f"{path} {name}".strip())


def dumped(node: object, depth: int = 0) -> str:
    """Return JSON with each innermost group on one line, so that diffs are readable."""
    if not isinstance(node, dict) or not any(isinstance(v, dict) for v in node.values()):
        return json.dumps(node)
    pad = " " * (depth + 1)
    inside = ",\n".join(f"{pad}{json.dumps(k)}: {dumped(v, depth + 1)}" for k, v in node.items())
    return f"{{\n{inside}\n{' ' * depth}}}"
