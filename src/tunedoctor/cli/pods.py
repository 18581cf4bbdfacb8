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


def training(how: Namespace, words: Sequence[str], values: Mapping[str, Any]) -> tuple[int, bool]:
    """Train in pods, or print their manifest; returns the exit code, and whether it was begun: who failed is named."""
    claim, _, mount = how.claim.partition(":")
    mount = mount or str(Path.cwd())
    read = (Path(str(values.get(key) or "")) for key in ("data", "eval_data", "model", "template"))
    for one in (Path(str(values.get("out") or "out")), *filter(Path.exists, read)):
        if not one.expanduser().absolute().is_relative_to(mount):
            misuse(f"{one} is not in {mount}, where pods have the claim", f"--claim {claim}:FOLDER")
    command = [
        "/opt/doctor/bin/doctor",
        "train",
        *spelled(values),
        *["--dry-run"] * ("--dry-run" in words),
    ]
    command += [f"--nodes={how.nodes}", f"--processes={how.processes}", f"--wait={how.wait}"]
    command += [
        "--kubernetes",
        *["--no-check"] * how.no_check,
        *([f"--target={how.target}"] * bool(how.target)),
    ]
    container = {"image": how.image or IMAGE, "workingDir": str(Path.cwd()), "command": command}
    if values.get("device") != "cpu":
        container["resources"] = {"limits": {"nvidia.com/gpu": how.processes}}
    who = (how.nodes, how.kubernetes, how.exclude)
    with refusing(ValueError, "kubectl get nodes --show-labels shows them"):
        job = pytorchjob.manifest(*who, f"{claim}:{mount}", container)
    name = job["metadata"]["name"]
    if how.manifest or not shutil.which("kubectl"):
        write(msgspec.json.format(msgspec.json.encode(job)).decode() + "\n")
        lines = ["doctor: no kubectl is on PATH"] * (not how.manifest) + table("kubernetes")[
            "train_by_hand"
        ]
        sys.stderr.write("\n".join(lines).format(name=name) + "\n")
        return (0 if how.manifest else 2), False
    with refusing(ValueError, "--manifest prints the job"), pytorchjob.applied(job):
        _say(
            f"made the job {name}; kubectl delete pytorchjob {name} ends it where the doctor is killed"
        )
        pod, what = pytorchjob.followed(name, how.nodes, how.wait, _say)
    if pod:
        _say(f"{pod} failed first: {what}; the other pods were deleted")
    return int(bool(pod)), True


def _say(text: str) -> None:
    sys.stderr.write(f"doctor: {text}\n")
