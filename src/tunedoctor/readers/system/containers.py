"""How a container was started, what its engine tells of it, and what the name of its image tells of PyTorch.

Docker, Podman, compose, Kubernetes, Apptainer, enroot. What tells of one without its command is `containers` of
outputs.json.
"""

import re

from tunedoctor.facts import Container, Errors, ErrorText, Fact, Host, TorchBuild
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.shell import flat
from tunedoctor.tables.load import table

_MOST = 40
"""Lines of an answer in a format of one's own."""
_LONGEST_RUN = 1000
_KINDS = {
    "podman": "podman",
    "apptainer": "apptainer",
    "singularity": "apptainer",
    "kubectl": "kubernetes",
}


def container(paste: Paste) -> Container | None:
    """Return the container of a paste, and whether a GPU was asked for; None where it tells of none."""
    return _inspected(paste) or _started(paste) or _told(paste)


def _container(program: str, evidence: str, *, gpu_asked: bool | None = None) -> Container:
    return Container(_KINDS.get(program, "docker"), evidence=evidence, gpu_asked=gpu_asked)


def _inspected(paste: Paste) -> Container | None:
    """Read `docker inspect`, whole or by a format, and `kubectl get` that show that no GPU was asked for."""
    for one in paste.shown:
        asks = search("container.asks", flat(one.command))
        told = " ".join(one.output[:_MOST])[:LONGEST].lstrip()
        if asks and search("container.no_gpu", told):
            return _container(asks[1], f"{asks[1]} {asks[2]}", gpu_asked=False)
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
                return _container(program, f"{program} {verb}", gpu_asked=bool(asked))
        entered = search("container.enters", command)
        left = any(hit.line > one.line for hit in paste.each("container.left"))
        if entered and not left and any(paste.lines[one.line + 1 :]):
            return _container(entered[1], f"{entered[1]} exec")
    return None


def _told(paste: Paste) -> Container | None:
    """Read a compose file, the limits of a pod or the name of a host in a prompt.

    Last take the word of a text on where it failed, if what failed there is what fails without a GPU in a container.
    """
    for row in table("outputs")["containers"]["rows"]:
        if all(paste.has(f"container.{name}") for name in row["told"]):
            asked = row.get("asked")
            asked = paste.has(f"container.{asked}") if isinstance(asked, str) else asked
            return Container(row["kind"], evidence=row["evidence"], gpu_asked=asked)
    return None


def killed(paste: Paste) -> Errors | None:
    """Return an error where the engine says that the kernel ended the container for memory."""
    lines = [hit.line + 1 for hit in paste.each("container.killed")]
    asked = (one for one in paste.shown if ".State.OOMKilled" in one.command)
    lines += [one.line + 2 for one in asked if "true" in " ".join(one.output[:1]).split()]
    said = ErrorText(text="docker inspect: OOMKilled: true", where=f"line {min(lines, default=0)}")
    return Errors(errors=(said,)) if lines else None


def image(paste: Paste) -> list[Fact]:
    """Return Container, Host and TorchBuild as the images of a Dockerfile and of `docker run` tell them."""
    named = paste.each("image", longest=_LONGEST_RUN)
    files = [found["image"] for _, row, found in named if row == "of_file"]
    facts: list[Fact] = [Container("docker", evidence=f"FROM {files[-1][:150]}")] if files else []
    if named and search("image_words.musl", named[-1].found["image"]):
        facts.append(Host(os="linux", name="Alpine", distro="alpine", libc="musl"))
    builds = (_torch(found["image"]) for _, _, found in reversed(named))
    build = next(filter(None, builds), None)
    # a version that the text states itself; where it is another one, the image was changed
    stated = {found[1] for found in paste.all("image_words.torch")} if build else set()
    if build and stated <= {build.version}:
        facts.append(build)
    return facts


def _torch(name: str) -> TorchBuild | None:
    """Return the PyTorch build that an image's name states; None where it states none."""
    for row in table("labels")["images"]:
        if found := re.search(row["form"], name):
            version, stack = found["torch"], found["stack"] or ""
            if row["accelerator"] == "rocm":
                variant = f"rocm{stack}" if stack else ""
                return TorchBuild(version=version, hip=stack, accelerator="rocm", variant=variant)
            variant = f"cu{stack.replace('.', '')}" if stack else ""
            build = TorchBuild(version=version, cuda=stack, accelerator="cuda", variant=variant)
            return build if stack else TorchBuild(version=version, accelerator="unknown")
    return None
