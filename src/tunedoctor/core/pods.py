"""Train in pods of Kubernetes: make the manifest, and have kubectl run it if there is one."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.core.configuration import spelled
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.fleet import pytorchjob
from tunedoctor.fleet.reply import IMAGE
from tunedoctor.system.programs import find_program
from tunedoctor.tables.load import table


class PodOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Pods, and what doctor train gets in each; docs/train.md says what each field means."""

    kubernetes: str = ""
    """Labels of the nodes, such as "gpu=a100"; "" for any."""
    nodes: int
    processes: int = 1
    exclude: str = ""
    wait: int = 600
    manifest: bool = False
    """Only make the manifest."""
    image: str = ""
    resource: str = ""
    claim: str = "training"
    target: str | None = None
    own: bool = False
    no_check: bool = False


class PodsResult(NamedTuple):
    """The result of a training in pods, or the manifest for the user to apply."""

    status: int
    """1 if a pod failed, 2 if kubectl does not exist."""
    manifest: str = ""
    """JSON; "" if kubectl ran the job."""
    commands: tuple[str, ...] = ()
    """What applies the manifest and follows the job, by hand."""


def train_in_pods(
    options: PodOptions,
    words: Sequence[str],
    values: Mapping[str, Any],
    interaction: Interaction = SILENT,
) -> PodsResult:
    """Train in pods, or return their manifest if it is asked for or kubectl does not exist.

    `words`: those of the training. `values`: its configuration. Says which pod failed first.
    """
    claim, _, mount = options.claim.partition(":")
    mount = mount or str(Path.cwd())
    _require_below(mount, values, claim)
    runs = not options.manifest and bool(find_program("kubectl", os.environ))
    container: dict[str, Any] = {
        "image": options.image or IMAGE,
        "workingDir": str(Path.cwd()),
        "command": _command(options, words, values),
    }
    with refusing(ValueError, "kubectl get nodes --show-labels shows them"):
        if values.get("device") != "cpu":
            resource = options.resource or pytorchjob.resource(options.kubernetes, asks=runs)
            container["resources"] = {"limits": {resource: options.processes}}
        job = pytorchjob.manifest(
            options.nodes, options.kubernetes, options.exclude, f"{claim}:{mount}", container
        )
    name = job["metadata"]["name"]
    if not runs:
        commands = "\n".join(table("kubernetes")["train_by_hand"]).format(name=name)
        return PodsResult(
            0 if options.manifest else 2,
            msgspec.json.format(msgspec.json.encode(job)).decode(),
            tuple(commands.splitlines()),
        )
    interaction.say(f"makes {name}; kubectl delete pytorchjob {name} ends it if doctor is killed")
    with refusing(ValueError, "--manifest prints the job"):
        pod, what = pytorchjob.trained(job, options.nodes, options.wait, interaction.say)
    if pod:
        interaction.say(f"{pod} failed first: {what}; the other pods were deleted")
    return PodsResult(int(bool(pod)))


def _require_below(mount: str, values: Mapping[str, Any], claim: str) -> None:
    """Raise DoctorError if the training reads or writes a path that is not in the claim's folder."""
    inputs = (
        Path(str(values.get(key) or "")) for key in ("data", "eval_data", "model", "template")
    )
    for path in (Path(str(values.get("out") or "out")), *filter(Path.exists, inputs)):
        if not path.expanduser().absolute().is_relative_to(mount):
            what = f"{path} is not in {mount}, where pods mount the claim"
            misuse(what, f"--claim {claim}:FOLDER")


def _command(options: PodOptions, words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return the command of each pod: the same training, with its configuration as options."""
    command = ["/opt/doctor/bin/doctor", "train", *spelled(values), "--kubernetes"]
    options_to_pass = {
        name: getattr(options, name) for name in ("nodes", "processes", "wait", "target")
    }
    command += [f"--{name}={value}" for name, value in options_to_pass.items() if value]
    if options.own:
        command.append("--self")
    if options.no_check:
        command.append("--no-check")
    if "--dry-run" in words:
        command.append("--dry-run")
    return command
