"""doctor triage."""

import time

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import judge
from tunedoctor.cli.read import read_input
from tunedoctor.readers.read import read_report


def triage(options: Options, source: str) -> int:
    """Diagnose a pasted report; returns the exit code."""
    began = time.perf_counter()
    text = read_input(source).decode("utf-8", "replace")
    snapshot = read_report(text)
    if snapshot is None:
        misuse(
            f"{'stdin' if source == '-' else source} holds nothing that the doctor can read",
            "paste the output of python -m torch.utils.collect_env, or of nvidia-smi",
        )
    return judge(snapshot, options, began)
