"""doctor train --kubernetes: writes the manifest of a training in pods, and has kubectl apply it where there is one."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.cli.command_options import TrainOptions
from tunedoctor.cli.nodes import say
from tunedoctor.cli.output import write
from tunedoctor.core.configuration import spelled
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.fleet import pytorchjob
from tunedoctor.fleet.reply import IMAGE
from tunedoctor.system.programs import find_program
from tunedoctor.tables.load import table


def training(how: TrainOptions, words: Sequence[str], values: Mapping[str, Any]) -> int:
    """Train in pods, or print their manifest and exit; returns the exit code, when the pod that failed was named."""
    claim, _, mount = how.claim.partition(":")
    mount = mount or str(Path.cwd())
    read = (Path(str(values.get(key) or "")) for key in ("data", "eval_data", "model", "template"))
    for one in (Path(str(values.get("out") or "out")), *filter(Path.exists, read)):
        if not one.expanduser().absolute().is_relative_to(mount):
            misuse(f"{one} is not in {mount}, where pods have the claim", f"--claim {claim}:FOLDER")
    command = ["/opt/doctor/bin/doctor", "train", *spelled(values), "--kubernetes"]
    keys = [one for one in ("nodes", "processes", "wait", "target") if getattr(how, one)]
    command += [f"--{one}={getattr(how, one)}" for one in keys] + ["--self"] * how.own
    command += ["--no-check"] * how.no_check + ["--dry-run"] * ("--dry-run" in words)
    container: dict[str, Any] = {
        "image": how.image or IMAGE,
        "workingDir": str(Path.cwd()),
        "command": command,
    }
    place, by_itself = f"{claim}:{mount}", not how.manifest and find_program("kubectl", os.environ)
    with refusing(ValueError, "kubectl get nodes --show-labels shows them"):
        if values.get("device") != "cpu":
            asked = how.resource or pytorchjob.resource(how.kubernetes or "", asks=bool(by_itself))
            container["resources"] = {"limits": {asked: how.processes}}
        job = pytorchjob.manifest(how.nodes, how.kubernetes or "", how.exclude, place, container)
    name, by_hand = job["metadata"]["name"], table("kubernetes")["train_by_hand"]
    if not by_itself:
        write(msgspec.json.format(msgspec.json.encode(job)).decode() + "\n")
        missing = "" if how.manifest else "doctor: no kubectl is on PATH\n"
        sys.stderr.write(missing + "\n".join(by_hand).format(name=name) + "\n")
        sys.exit(2 if missing else 0)
    say(f"makes {name}; kubectl delete pytorchjob {name} ends it where the doctor is killed")
    with refusing(ValueError, "--manifest prints the job"):
        pod, what = pytorchjob.trained(job, how.nodes, how.wait, say)
    if pod:
        say(f"{pod} failed first: {what}; the other pods were deleted")
    return int(bool(pod))
