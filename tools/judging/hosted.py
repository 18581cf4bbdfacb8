"""Judge hosted notebooks: the package lists that Colab published, each read as a pasted report."""

import gzip
import json

import tunedoctor

from . import ROOT
from .figures import Figures

LISTS = ROOT / "tests" / "reports" / "colab.jsonl.gz"


def judge() -> Figures:
    """Return how many lists are recognised, how many known faults are found, and how many findings are false."""
    lists = recognised = faults = found = false = 0
    for line in gzip.decompress(LISTS.read_bytes()).splitlines():
        row = json.loads(line)
        report = tunedoctor.triage(row["text"])
        shown = {
            f"{finding.id} {finding.found.partition(':')[0]}"
            for finding in report.findings
            if finding.severity != "note"
        }
        month = f" of {row['month']}" if row["kind"] != "tpu" else ""
        lists += 1
        recognised += report.machine.system.endswith(f", Google Colab{month}")
        faults += len(row["broken"])
        found += len(shown & {*row["broken"]})
        false += len(shown - {*row["broken"]})
    return {"recognised": [recognised, lists], "faults": [found, faults], "false_findings": false}
