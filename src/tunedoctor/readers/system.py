"""Find what the system's own tools printed in any text: disks, containers and their images, shared libraries.

Signs of a container without its command are in `containers` of outputs.json.
"""

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.readers.hardware import bus, hung, intel, kernel_log, module, rdma, rocm_devices
from tunedoctor.readers.output_rows import bytes_of, search
from tunedoctor.readers.paste import LONGEST, Paste
from tunedoctor.readers.runs import import_torch, interpreters
from tunedoctor.tables.load import table

_SHM = "/dev/shm"  # noqa: S108  named, not written to
_TMP = "/tmp"  # noqa: S108  as above
_HOMES = ("/home", "/root", "/workspace", "/")


def disks(paste: Paste) -> list[Fact]:
    """Return the shared memory, and the file systems of the temporary folder and the home folder."""
    rows: dict[str, tuple[int, int, str]] = {}
    for row in paste.all("df"):
        if total := bytes_of(row["total"], "k"):
            free = bytes_of(row["free"], "k") or 0
            rows.setdefault(row["mount"], (free, total, row["device"]))
    shm = rows.pop(_SHM, None)
    facts: list[Fact] = [kinds.SharedMemory(total=shm[1], free=min(shm[:2]))] if shm else []
    tmp = next((mount for mount in (_TMP, "/") if mount in rows), "")
    disks = [kinds.Disk("tmp", _TMP, *rows[tmp])] if tmp else []
    home = next((mount for mount in _HOMES if mount in rows and mount != tmp), "")
    disks += [kinds.Disk("work", home, *rows[home])] if home else []
    return [*facts, kinds.Disks(disks=tuple(disks))] if disks else facts


_MOST_OF_ANSWER = 40
"""Lines of an answer in a format of one's own."""
_LONGEST_RUN = 1000


def container(paste: Paste) -> kinds.Container | None:
    """Return the container of a paste, and whether a GPU was asked for; None where it tells of none."""
    return _inspected(paste) or _started(paste) or _from_container_rows(paste)


def _container(program: str, evidence: str, *, gpu_asked: bool | None = None) -> kinds.Container:
    kind = table("probes")["container_names"].get(program, "docker")
    return kinds.Container(kind, evidence=evidence, gpu_asked=gpu_asked)


def _inspected(paste: Paste) -> kinds.Container | None:
    """Read `docker inspect`, whole or by a format, and `kubectl get` that show that no GPU was asked for."""
    for executed in paste.commands:
        asks = search("container.asks", executed.command)
        output = " ".join(executed.output[:_MOST_OF_ANSWER])[:LONGEST].lstrip()
        if asks and search("container.no_gpu", output):
            return _container(asks[1], f"{asks[1]} {asks[2]}", gpu_asked=False)
    if paste.has("container.none_asked") and not paste.has("container.runtime"):
        return _container("docker", "docker inspect", gpu_asked=False)
    return None


def _started(paste: Paste) -> kinds.Container | None:
    """Read the last command that starts or enters one, unless it only tries a GPU out."""
    for executed in reversed(paste.commands):
        command = executed.command
        if run := search("container.run", command):
            program, verb, rest = run.groups()
            starts_workload = verb == "run" and not search("container.tries", rest)
            if starts_workload or (verb == "exec" and program in ("apptainer", "singularity")):
                requested = search("container.gpu", f" {rest}") or program.startswith(
                    "nvidia-docker"
                )
                return _container(program, f"{program} {verb}", gpu_asked=bool(requested))
        entered = search("container.enters", command)
        left = any(hit.line > executed.line for hit in paste.each("container.left"))
        if entered and not left and any(paste.lines[executed.line + 1 :]):
            return _container(entered[1], f"{entered[1]} exec")
    return None


def _from_container_rows(paste: Paste) -> kinds.Container | None:
    """Read a compose file, the limits of a pod, the host in a prompt; last the word of a text on where it failed."""
    for row in table("outputs")["containers"]["rows"]:
        if all(paste.has(f"container.{name}") for name in row["told"]):
            requested = row.get("asked")
            requested = (
                paste.has(f"container.{requested}") if isinstance(requested, str) else requested
            )
            return kinds.Container(row["kind"], evidence=row["evidence"], gpu_asked=requested)
    return None


def killed(paste: Paste) -> kinds.Errors | None:
    """Return an error where the engine says that the kernel ended the container for memory."""
    lines = [hit.line + 1 for hit in paste.each("container.killed")]
    inspections = (
        executed for executed in paste.commands if ".State.OOMKilled" in executed.command
    )
    lines += [
        executed.line + 2
        for executed in inspections
        if "true" in " ".join(executed.output[:1]).split()
    ]
    error = kinds.ErrorText(
        text="docker inspect: OOMKilled: true", where=f"line {min(lines, default=0)}"
    )
    return kinds.Errors(errors=(error,)) if lines else None


def image(paste: Paste) -> list[Fact]:
    """Return Container, Host and TorchBuild as the images of a Dockerfile and of `docker run` tell them."""
    images = paste.each("image", longest=_LONGEST_RUN)
    files = [found["image"] for _, row, found in images if row == "of_file"]
    of_file = (kinds.Container("docker", evidence=f"FROM {name[:150]}") for name in files[-1:])
    facts: list[Fact] = [*of_file]
    if images and search("image_words.musl", images[-1].found["image"]):
        facts.append(kinds.Host(os="linux", name="Alpine", distro="alpine", libc="musl"))
    builds = (_torch(match["image"]) for _, _, match in reversed(images))
    build = next(filter(None, builds), None)
    # a version that the text states itself; where it is another one, the image was changed
    stated_versions = {match[1] for match in paste.all("image_words.torch")} if build else set()
    if build and stated_versions <= {build.version}:
        facts.append(build)
    return facts


def _torch(name: str) -> kinds.TorchBuild | None:
    for row in table("labels")["images"]:
        if match := re.search(row["form"], name):
            stack, rocm = match["stack"] or "", row["accelerator"] == "rocm"
            variant = f"rocm{stack}" if rocm else f"cu{stack.replace('.', '')}"
            return kinds.TorchBuild(
                version=match["torch"],
                cuda="" if rocm else stack,
                hip=stack if rocm else "",
                accelerator="rocm" if rocm else "cuda" if stack else "unknown",
                variant=variant if stack else "",
            )
    return None


_MOST_LACKING = 60
_MOST_ROWS = 4000
_MISSING = "not found"


class _Row(NamedTuple):
    whose: str
    """The file, or the command that asked for it."""
    library: str
    number: str
    place: str
    line: int

    of_torch: bool
    """Libraries of torch name the folders of its wheels; others expect torch to have loaded what they need."""


def libraries(paste: Paste) -> list[Fact]:
    """Return LibraryPath with foreign libraries that a wheel's library would load, and Errors for those not found."""
    rows = list(_rows(paste))[:_MOST_ROWS]
    shadows = {
        row.library: kinds.LibraryShadow(row.library, row.place, row.number.lstrip("."))
        for row in rows
        if row.of_torch and row.place.startswith("/") and not search("library.site", row.place)
        if search("library.of_wheels", row.library)
    }
    lacking = _lacking(rows)
    facts: list[Fact] = [kinds.LibraryPath(shadows=tuple(shadows.values()))] if shadows else []
    return [*facts, kinds.Errors(errors=lacking)] if lacking else facts


def _rows(paste: Paste) -> Iterator[_Row]:
    """Yield what ldd lists, each with the file above it that it was asked for."""
    if not paste.has("ldd.row"):
        return
    owner, of_torch = "", False
    commands = {executed.line: executed.command for executed in paste.commands}
    above = {hit.line: hit.found for hit in paste.each("ldd.row")}
    for number in sorted({*commands, *above}):
        if number in above:
            library, version, place = above[number].groups()
            yield _Row(owner, library, version, place, number + 1, of_torch)
        else:
            owner = commands[number] if search("library.asked", commands[number]) else ""
            of_torch = bool(search("library.own", owner))


def _lacking(rows: Sequence[_Row]) -> tuple[kinds.ErrorText, ...]:
    """Return what is not found; of extensions only what torch, loaded before, brings by another number."""
    loaded = {r.library: r.number for r in reversed(rows) if r.of_torch and r.place != _MISSING}
    errors: dict[str, kinds.ErrorText] = {}
    for row in (row for row in rows if row.place == _MISSING):
        text = f"{row.library}.so{row.number} => not found"
        if search("library.site", row.whose) and not row.of_torch:
            own = loaded.get(row.library, row.number)
            files = (word.rpartition("/")[2] for word in row.whose.split() if ".so" in word)
            if own == row.number:
                continue
            text = f"{next(files, 'an extension')}: {text}; torch loads {row.library}.so{own}"
        errors.setdefault(text, kinds.ErrorText(text=text, where=f"line {row.line}"))
    return tuple(errors.values())[:_MOST_LACKING]


_MOST = 100
_LONGEST = 1500
"""Characters of a line: container engines put all that went wrong on one."""


def read(paste: Paste) -> list[Fact]:
    """Return the facts of machine, kernel, container and interpreter that the lines tell. Never raises."""
    devices, on_disk = bus(paste)
    single = (container, killed, rocm_devices, _system_errors, kernel_log, rdma)
    driven = module(paste, devices, on_disk=on_disk)
    results = (*(reader(paste) for reader in single), driven, intel(paste, devices))
    facts: list[Fact] = [fact for fact in results if fact is not None]
    facts += [kinds.PciBus(devices=devices)] if devices else []
    several = (image, disks, libraries, interpreters, import_torch)
    return [*facts, *(fact for reader in several for fact in reader(paste))]


def _system_errors(paste: Paste) -> kinds.Errors | None:
    hits = reversed(paste.each("said", longest=_LONGEST))
    by_line = {hit.line: hit.found[0] for hit in hits}  # of a line what its first row finds
    places = {text: line for line, text in by_line.items()}
    first = sorted(places.items(), key=itemgetter(1))[:_MOST]
    errors = (kinds.ErrorText(text=text, where=f"line {at + 1}") for text, at in first)
    all_errors = (*errors, *hung(paste))
    return kinds.Errors(errors=all_errors) if all_errors else None
