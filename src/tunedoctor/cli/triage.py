"""doctor triage."""

import time

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import judge
from tunedoctor.cli.read_log import read_log
from tunedoctor.readers.read import read_report


def triage(options: Options, source: str) -> int:
    """Diagnose a pasted report; returns the exit code."""
    began = time.perf_counter()
    log = read_log(source)
    snapshot = read_report(log.text, log.numbers)
    if snapshot is None:
        misuse(
            f"{'stdin' if source == '-' else source} holds nothing that the doctor can read",
            "paste the output of python -m torch.utils.collect_env, or of nvidia-smi",
        )
    return judge(snapshot, options, began)
