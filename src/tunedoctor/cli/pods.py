"""doctor train --kubernetes: writes the manifest of a training in pods, and has kubectl apply it where there is one."""

import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.cli.configuration import spelled
from tunedoctor.cli.options import misuse, refusing
from tunedoctor.cli.output import write
from tunedoctor.fleet import pytorchjob
from tunedoctor.fleet.reply import IMAGE
from tunedoctor.tables.load import table

_DOCTOR = "/opt/doctor/bin/doctor"
"""Where integrations/container/Dockerfile has it."""


def training(how: Namespace, words: Sequence[str], values: Mapping[str, Any]) -> tuple[int, bool]:
    """Train in pods, or print their manifest; returns the exit code, and whether it was begun: who failed is named."""
    claim, _, mount = how.claim.partition(":")
    mount = mount or str(Path.cwd())
    keys = ("out", "data", "eval_data", "model", "template")
    names = [Path(str(values.get(key) or "")) for key in keys]
    for one in (Path.cwd(), *(one for one in names if one.exists() or one == names[0])):
        if not one.expanduser().absolute().is_relative_to(mount):
            misuse(
                f"{one} is not in {mount}, where pods have the claim {claim}",
                f"--claim={claim}:FOLDER",
            )
    command = [_DOCTOR, "train", *spelled(values), *(["--dry-run"] * ("--dry-run" in words))]
    command += [f"--nodes={how.nodes}", f"--processes={how.processes}", "--kubernetes"]
    command += [f"--wait={how.wait}", *["--no-check"] * how.no_check]
    command += [f"--target={how.target}"] * bool(how.target)
    gpus = how.processes * (values.get("device") != "cpu")
    asked = (gpus, how.kubernetes, how.exclude, how.image or IMAGE, claim, mount, str(Path.cwd()))
    with refusing(ValueError, "kubectl get nodes --show-labels shows them"):
        job = pytorchjob.manifest(pytorchjob.Asked(how.nodes, *asked, command))
    if how.manifest or not shutil.which("kubectl"):
        write(msgspec.json.format(msgspec.json.encode(job)).decode() + "\n")
        missing = [] if how.manifest else ["doctor: no kubectl is on PATH"]
        lines = [*missing, *table("kubernetes")["train_by_hand"]]
        sys.stderr.write("\n".join(lines).format(name=job["metadata"]["name"]) + "\n")
        return (0 if how.manifest else 2), False
    with (
        refusing(ValueError, "doctor train … --manifest prints the job"),
        pytorchjob.applied(job) as name,
    ):
        _say(
            f"made {name}: {how.nodes} pods; kubectl delete pytorchjob {name} ends it where the doctor is killed"
        )
        pod, what = pytorchjob.followed(name, how.nodes, how.wait, _say)
        for line in pytorchjob.last_words(pod) if pod and pod != f"{name}-worker-0" else ():
            _say(f"{pod}: {line}")
    if pod:
        _say(f"{pod} failed first: {what}; the other pods were deleted")
    return int(bool(pod)), True


def _say(text: str) -> None:
    sys.stderr.write(f"doctor: {text}\n")
