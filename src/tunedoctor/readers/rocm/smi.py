"""rocm-smi and amd-smi of every age: lists of labels, JSON, and tables."""

import re
from collections import defaultdict

from tunedoctor.readers.paste import Hit, Paste, search
from tunedoctor.readers.rocm.words import Part, part_of

_MOST = 256
_LONGEST = 40_000
"""Characters of a line: JSON stands on one."""
_JSON = re.compile(r"(?<=[{,])(?=\s{0,200}\")")
"""Where a pair of an object begins: each is read as a line."""


def by_system(paste: Paste) -> dict[int, Part]:
    """Return GPU number -> what is said of it; {} where there is no such output."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    current = -1
    tables = ["rocm_smi"]
    if '"card' in paste.text or '"gpu' in paste.text:
        tables = ["rocm_smi", "rocm_json"]
        paste = Paste([part for line in paste.lines for part in _JSON.split(line[:_LONGEST])])
    tables += [name for name in ("amd_smi_table", "amd_smi_monitor") if paste.has(f"{name}.head")]
    monitor = -1
    for hit in paste.each(*tables):
        told = hit.found.groupdict() | _next(paste, hit)
        if hit.row == "head":
            monitor = hit.line
            continue
        if hit.row == "row":  # of the monitor's table, which ends where no row follows
            if monitor != hit.line - 1:
                continue
            monitor = hit.line
        number = int(told.pop("gpu", None) or current)
        if hit.row in ("card", "gpu", "gpu_json"):
            current = number
        label, value = told.pop("label", ""), told.pop("value", "")
        if label:
            told[label.strip().lower()] = value
        if 0 <= number < _MOST:
            for name, said in told.items():
                found[number].setdefault(name, said)
    parts = {number: part_of(values) for number, values in found.items()}
    return {number: part for number, part in parts.items() if part != Part()}


def _next(paste: Paste, hit: Hit) -> dict[str, str]:
    """Return what the next line tells, where a row of a table has two."""
    if not hit.row.endswith(("model_row", "table_row")):
        return {}
    below = search(f"rocm_smi_next.{hit.row}", paste.line(hit.line + 1))
    return below.groupdict() if below else {}
