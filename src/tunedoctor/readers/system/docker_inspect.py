"""What `docker inspect` tells of a container: whether a GPU was asked for, and whether memory ended it."""

from collections.abc import Sequence

from tunedoctor.facts import Container, Errors, ErrorText
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown, flat

_INSPECTS = pattern(r"\b(?:docker|podman)(?: container)? inspect\b")
_NONE_ASKED = pattern(r"^\s{0,40}\"DeviceRequests\": (?:null|\[\]),?\s*$")
_RUNTIME = pattern(r"^\s{0,40}\"Runtime\": \"(\w[\w-]{0,30})\"")
_KILLED = pattern(r"^\s{0,40}\"OOMKilled\": true\b")
_FORMAT_KILLED = ".State.OOMKilled"
_FORMAT_ASKED = ".DeviceRequests"
_POD, _RESOURCES = "kubectl get po", ".resources"
_MOST = 40
"""Lines of an answer in a format of one's own."""


def inspected(lines: Sequence[str], shown: Sequence[Shown]) -> Container | None:
    """Return the container where it was asked for no GPU, in the whole answer or in one by a format; else None."""
    for one in shown:
        command = flat(one.command)
        if _FORMAT_ASKED in command and _INSPECTS.search(command) and one.output:
            told = " ".join(one.output[:_MOST])[:LONGEST]
            empty = told.lstrip().startswith(("[]", "null", "<no value>"))
            if empty and "nvidia" not in told:
                return Container(kind="docker", evidence="docker inspect", gpu_asked=False)
        if _POD in command and _RESOURCES in command and one.output:
            told = " ".join(one.output[:_MOST])[:LONGEST]
            if told.lstrip().startswith("{") and "/gpu" not in told:
                return Container(kind="kubernetes", evidence="kubectl get", gpu_asked=False)
    if any("DeviceRequests" in line and _NONE_ASKED.match(line[:LONGEST]) for line in lines):
        runtimes = {
            f[1] for line in lines if '"Runtime"' in line and (f := _RUNTIME.match(line[:LONGEST]))
        }
        if "nvidia" not in runtimes:
            return Container(kind="docker", evidence="docker inspect", gpu_asked=False)
    return None


def killed(lines: Sequence[str], shown: Sequence[Shown]) -> Errors | None:
    """Return an error where the engine says that the kernel ended the container for memory."""
    said = [
        number
        for number, line in enumerate(lines, 1)
        if "OOMKilled" in line and _KILLED.match(line[:LONGEST])
    ]
    for one in shown:
        command = flat(one.command)
        answer = one.output[0].split() if one.output else []
        if _FORMAT_KILLED in command and _INSPECTS.search(command) and "true" in answer:
            said.append(one.line + 2)
    if not said:
        return None
    return Errors(
        errors=(ErrorText(text="docker inspect: OOMKilled: true", where=f"line {said[0]}"),)
    )
