"""How a container was started and what its engine tells of it: Docker, Podman, compose, Kubernetes, Apptainer."""

from tunedoctor.facts import Container, Errors, ErrorText
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.shell import Shown, flat

_MOST = 40
"""Lines of an answer in a format of one's own."""
_KINDS = {
    "podman": "podman",
    "apptainer": "apptainer",
    "singularity": "apptainer",
    "kubectl": "kubernetes",
}


def container(paste: Paste) -> Container | None:
    """Return the container of a paste, and whether a GPU was asked for; None where it tells of none."""
    return (
        _inspected(paste) or _started(paste) or _of_file(paste) or _of_prompt(paste) or _told(paste)
    )


def _container(program: str, evidence: str, *, gpu_asked: bool | None = None) -> Container:
    return Container(_KINDS.get(program, "docker"), evidence=evidence, gpu_asked=gpu_asked)


def _inspected(paste: Paste) -> Container | None:
    """Read `docker inspect`, whole or by a format, and `kubectl get` that show that no GPU was asked for."""
    for one in paste.shown:
        command, told = flat(one.command), " ".join(one.output[:_MOST])[:LONGEST].lstrip()
        inspects = ".DeviceRequests" in command and search("container.inspects", command)
        if inspects and told.startswith(("[]", "null", "<no value>")) and "nvidia" not in told:
            return _container("docker", "docker inspect", gpu_asked=False)
        asked = "kubectl get po" in command and ".resources" in command
        if asked and told.startswith("{") and "/gpu" not in told:
            return _container("kubectl", "kubectl get", gpu_asked=False)
    if paste.has("container.none_asked") and not paste.has("container.runtime"):
        return _container("docker", "docker inspect", gpu_asked=False)
    return None


def _started(paste: Paste) -> Container | None:
    """Read the last command that starts or enters one.

    A command that only tries a GPU out (nvidia-smi in a bare image) does not put the rest of a paste inside.
    """
    for one in reversed(paste.shown):
        command = flat(one.command)
        if run := search("container.run", command):
            program, verb, rest = run.groups()
            inside = verb == "run" and not search("container.tries", rest)
            if inside or (verb == "exec" and program in ("apptainer", "singularity")):
                asked = search("container.gpu", f" {rest}") or program.startswith("nvidia-docker")
                return _container(
                    program, _evidence(paste, f"{program} {verb}"), gpu_asked=bool(asked)
                )
        if (entered := search("container.enters", command)) and _goes_on(paste, one):
            return _container(entered[1], f"{entered[1]} exec")
    return None


def _evidence(paste: Paste, otherwise: str) -> str:
    return "Docker Desktop" if paste.has("container.desktop") else otherwise


def _goes_on(paste: Paste, shown: Shown) -> bool:
    """Tell whether what a paste shows below a command was printed inside of what it entered, to the end."""
    left = any(hit.line > shown.line for hit in paste.each("container.left"))
    return not left and any(paste.lines[shown.line + 1 :])


def _of_file(paste: Paste) -> Container | None:
    """Read a compose file or the limits of a pod."""
    if paste.has("container.compose") and paste.has("container.image"):
        asked = paste.has("container.compose_gpu")
        return _container("docker", _evidence(paste, "compose"), gpu_asked=asked)
    return _container("kubectl", "pod", gpu_asked=True) if paste.has("container.pod") else None


def _of_prompt(paste: Paste) -> Container | None:
    """Docker names the host inside by the first 12 hex digits of the container's id; Apptainer itself."""
    if paste.has("container.host"):
        return _container("docker", "the prompt's host name")
    return _container("apptainer", "the prompt") if paste.has("container.apptainer") else None


def _told(paste: Paste) -> Container | None:
    """Take the word of a text on where it failed, if what failed there is what fails without a GPU in a container.

    NVML says Unknown Error where a container's device files were taken away; NVIDIA's container tools find no library
    in Docker Desktop's virtual machine.
    """
    if paste.has("container.no_library") and paste.has("container.desktop_words"):
        return _container("docker", "Docker Desktop", gpu_asked=True)
    if paste.has("container.no_driver"):
        if paste.has("container.pod_words"):
            return _container("kubectl", "the text")
        if paste.has("container.of_compose"):
            return _container("docker", "the text")
        if paste.has("container.pyxis"):
            return Container(kind="enroot", evidence="the text", gpu_asked=None)
    if paste.has("container.unknown_error") and (word := paste.first("container.word").lower()):
        return _container(word, "the text")
    return None


def killed(paste: Paste) -> Errors | None:
    """Return an error where the engine says that the kernel ended the container for memory."""
    lines = [hit.line + 1 for hit in paste.each("container.killed")]
    for one in paste.shown:
        command, answer = flat(one.command), " ".join(one.output[:1]).split()
        if ".State.OOMKilled" in command and search("container.inspects", command):
            lines += [one.line + 2] if "true" in answer else []
    if not lines:
        return None
    said = ErrorText(text="docker inspect: OOMKilled: true", where=f"line {lines[0]}")
    return Errors(errors=(said,))
