"""Read what lists, installers, checks and guards say about packages, in text order, and why an install failed.

What was installed later replaces what an earlier list showed; a requirement never counts as installed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.readers import installer_output
from tunedoctor.readers.lists import in_memory, in_passing, listed, pip_show_packages, torch_told
from tunedoctor.readers.merge import NoTorch, filled
from tunedoctor.readers.output_rows import shape
from tunedoctor.readers.paste import Paste


def packages_said(
    text: installer_output.Text,
) -> Iterator[installer_output.Entry | kinds.BrokenDistribution]:
    """Yield the packages and the broken distributions in all such messages."""
    for message in text.matches("there"):
        fields = message.fields
        wants = (
            installer_output.normalised(fields["wants"])
            + installer_output.compact(fields.get("spec", ""))
            if "wants" in fields
            else ""
        )
        listed = [token.rpartition("-")[::2] for token in fields.get("list", "").split()]
        for name, version in listed or [(fields["name"], fields["version"])]:
            if version[:1].isdigit():
                yield installer_output.Entry(
                    message.line,
                    installer_output.normalised(name),
                    version.rstrip(".-"),
                    installer=fields.get("installer", ""),
                    location=fields.get("place", ""),
                    requires=(wants,) if wants else (),
                    removed="removed" in fields,
                    weak="weak" in fields,
                )
    yield from map(_broken, text.matches("broken"))


def _broken(message: installer_output.InstallerMessage) -> kinds.BrokenDistribution:
    if name := installer_output.normalised(message.fields.get("name", "")):
        return kinds.BrokenDistribution(name=name, problem="no version", detail=message.text)
    # pip omits the first letter and prints a dash: "-orch" is left of torch, and the folder is ~orch
    folder = "~" + message.fields["rest"].removeprefix("-").partition("-")[0]
    return kinds.BrokenDistribution(folder, "leftover", folder, location=message.fields["place"])


_MOST = 200


def refused(text: installer_output.Text) -> tuple[kinds.Refusal, ...]:
    """Return one refusal for each requirement, combined from several lines."""
    refusals: dict[tuple[str, str], kinds.Refusal] = {}
    for refusal in _each(text):
        earlier = refusals.get((refusal.name, refusal.specifier))
        refusals[refusal.name, refusal.specifier] = (
            refusal if earlier is None else _filled(earlier, refusal)
        )
    requested = (
        {message.fields["index"] for message in text.matches("variant")} if refusals else set()
    )
    index = requested.pop() if len(requested) == 1 else ""
    # uv does not name the index: it is that of a variant, if the text requests only that one
    without_index = {
        key
        for key, refusal in refusals.items()
        if refusal.installer == "uv" and refusal.offered is None
    }
    refusals |= {
        key: replace(refusals[key], index=refusals[key].index or index) for key in without_index
    }
    return tuple(refusals.values())


def _each(text: installer_output.Text) -> Iterator[kinds.Refusal]:
    refused_fields = [message.fields for message in text.matches("refused")]
    rows = [message.fields for message in text.matches("floor")] if refused_fields else []
    floors = [(row["version"], installer_output.compact(row["spec"])) for row in rows][:_MOST]
    for fields in refused_fields:
        file = fields.get("file", "")
        name, version = (
            installer_output.version_of_wheel(file)
            if file
            else (fields["name"], fields.get("version"))
        )
        spec = installer_output.compact(
            fields.get("spec", "").strip(" ()") or (f"=={version}" if version else "")
        )
        tags = tuple(part.strip(" `") for part in fields.get("tags", "").split(",") if part)
        of_file = ("-".join(file.removesuffix(".whl").split("-")[-3:]),) if file else ()
        each = (part.strip() for part in fields.get("offered", "").split(","))
        versions = tuple(part for part in each if part[:1].isdigit())  # "2.0.0, 2.0.1", "none"
        offered = versions if "offered" in fields or tags else None
        near = floors if fields["installer"] == "pip" else []
        matching_floors = tuple(
            floor for floor in near if spec in ("", f"=={floor[0]}") or not offered
        )
        yield msgspec.convert(
            {
                "name": installer_output.normalised(name),
                "specifier": spec,
                "reason": _reason(fields, spec, offered, matching_floors),
                "offered": offered,
                "python_floors": matching_floors,
                "tag": fields.get("tag", ""),
                "wheel_tags": tags or of_file,
                "index": fields.get("index", ""),
                "installer": fields["installer"],
            },
            kinds.Refusal,
        )


def _reason(
    fields: dict[str, str],
    spec: str,
    offered: tuple[str, ...] | None,
    floors: tuple[tuple[str, str], ...],
) -> str:
    if floors and (not offered or any(spec == f"=={version}" for version, _ in floors)):
        return "python"
    kind = fields.get("kind", "")
    if kind:
        return "platform" if kind == "platform" else "python" if "version" in kind else "abi"
    if "reason" in fields:
        return fields["reason"]
    if fields["installer"] == "uv":
        return "version" if spec else "nothing"
    return "unknown" if offered is None else "version" if offered else "nothing"


def _filled(earlier: kinds.Refusal, later: kinds.Refusal) -> kinds.Refusal:
    return replace(
        filled(earlier, later),
        offered=later.offered if earlier.offered is None else earlier.offered,
        wheel_tags=tuple(dict.fromkeys((*earlier.wheel_tags, *later.wheel_tags))),
    )


_MACHINES = {
    "windows": {"x86_64": "amd64", "": "x86"},
    "macos": {"universal2": "", "fat64": "", "aarch64": "arm64"},
}
"""Machine names in tags and in facts."""
_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}
_NARROW = ("i686", "i386", "armv7l", "armv6l", "armv7", "x86")


def host_of(tag: str) -> kinds.Host | None:
    """Return the host for manylinux_2_17_x86_64, macosx_14_0_arm64, win_amd64 or uv's linux-aarch64; else None."""
    match = shape("piece.platform").fullmatch(tag.replace("-", "_"))
    if match is None:
        return None
    system: Literal["linux", "windows", "macos"]
    system = "linux" if match["linux"] else "macos" if match["macos"] else "windows"
    machine, release = match["machine"] or "", (match["release"] or "").replace("_", ".")
    floor = (match["floor"] or "").replace("_", ".")
    return kinds.Host(
        os=system,
        name=f"{_NAMES[system]} {release}".strip(),
        machine=_MACHINES.get(system, {}).get(machine, machine),
        libc=("musl" if match["libc"] == "musl" else "glibc") if floor else "",
        libc_version=floor,
        macos_version=release,
    )


def surroundings(text: installer_output.Text) -> list[kinds.Fact]:
    """Return the Interpreter and the Host that an installer's lines show; nothing if they show two different ones."""
    refused = "is not a supported wheel" in text.text
    hosts: list[kinds.Host] = []
    versions: list[str] = []
    free: set[str] = set()
    prefix, narrow = "", False
    for message in text.matches("runs"):
        fields = message.fields
        if "fetched" in fields and refused:
            continue
        digits = fields.get("digits", "")
        version = fields.get("version", "") or (f"{digits[0]}.{digits[1:]}" if digits else "")
        versions += [version] if version else []
        free |= {version} if "free" in fields else set()
        prefix = fields.get("place", prefix)
        narrow = narrow or "narrow" in fields
        host = host_of(fields.get("platform", "").partition(".")[0])
        if host is not None and "fetched" in fields:
            # glibc and macOS in a wheel's tag are minimum versions, not those of the machine
            host = replace(host, name=_NAMES[host.os], libc="", libc_version="", macos_version="")
        hosts += [host] if host is not None else []
    agree = len({(host.os, host.machine) for host in hosts}) == 1
    described = max(hosts, key=lambda h: (h.libc, h.macos_version)) if agree else None
    facts: list[kinds.Fact] = [described] if described is not None else []
    bits = 32 if narrow or (described is not None and described.machine in _NARROW) else 64
    minors = Counter(".".join(version.split(".")[:2]) for version in versions)
    exact = max(versions, key=lambda v: v.count(".")) if len(minors) == 1 else ""
    if exact or bits == 32:
        windows = described is not None and described.os == "windows"
        facts.append(
            kinds.Interpreter(
                executable="",
                version=exact,
                bits=bits,
                free_threaded=any(exact.startswith(version) for version in free),
                machine=described.machine if described is not None else "",
                platform="win32" if bits == 32 and windows else "",
                prefix=prefix if prefix.startswith(("/", "~")) or prefix[1:2] == ":" else "",
            )
        )
    return facts


MOST = 2000
"""Most distributions and requirements of one text."""


def read(paste: Paste) -> list[kinds.Fact]:
    """Return Packages, including the TorchBuild, Wanted, IndexAnswer, Interpreter, Host and installer messages."""
    lines, text = paste.lines, installer_output.joined(paste.lines)
    refusals = refused(text)
    requested = {f"{refusal.name}{refusal.specifier}" for refusal in refusals}
    lists = [*listed(lines, requested), *pip_show_packages(lines)]
    facts = _facts([*lists, *packages_said(text), *in_passing(lines)], lines, text)
    if refusals:
        facts.append(kinds.IndexAnswer(refusals=refusals[:MOST]))
    errors = tuple(
        kinds.ErrorText(text=message.text, where=f"line {message.line + 1}")
        for message in text.matches("error")
        if "wrapped" not in message.fields or message.last > message.line
    )
    facts += [kinds.Errors(errors=errors[:MOST])] if errors else []
    return [*facts, *surroundings(text)]


def _facts(
    statements: list[installer_output.Statement], lines: Sequence[str], text: installer_output.Text
) -> list[kinds.Fact]:
    facts: list[kinds.Fact] = []
    last = installer_output.final_state(
        statement for statement in statements if isinstance(statement, installer_output.Entry)
    )
    broken = dict.fromkeys(
        statement for statement in statements if isinstance(statement, kinds.BrokenDistribution)
    )
    requirements = dict.fromkeys(
        statement for statement in statements if isinstance(statement, kinds.Requirement)
    )
    state = {name: entry for name, entry in last.items() if not entry.removed}
    if state or broken:
        rows = list(state.items())[:MOST]
        facts.append(
            kinds.Packages(
                distributions=tuple(entry.distribution for _, entry in rows),
                broken=tuple(broken)[:MOST],
                # torch has another name in conda
                conda={
                    "pytorch" if name == "torch" else name: entry.conda
                    for name, entry in rows
                    if entry.conda
                },
                in_memory=in_memory(lines, text, state),
                complete=False,
            )
        )
    build = torch_told(state)
    if build is not None:
        facts.append(build)
    elif "torch" not in state and "torch" in last:
        facts.append(NoTorch(why="the text says that torch is not installed"))
    facts += [statement for statement in statements if isinstance(statement, kinds.Interpreter)]
    if requirements:
        facts.append(kinds.Wanted(requirements=tuple(requirements)[:MOST]))
    return facts
