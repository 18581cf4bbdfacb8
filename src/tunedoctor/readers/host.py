"""The operating system, by `system` of outputs.json; facts that labels fill field by field; variables."""

import re
from contextlib import suppress
from typing import Any, Literal

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.model.versions import parts
from tunedoctor.probes.settings import environment
from tunedoctor.readers.names import NOTHING, Collected, informative, yes_or_no
from tunedoctor.readers.output_rows import search, shape
from tunedoctor.tables.load import table

Os = Literal["linux", "windows", "macos", "other"]
_WINDOWS_11, _WSL_2 = 22000, 18362
"""First builds of Windows 11 and of Windows with WSL 2."""
_OLDEST = (2, 17)
"""Oldest glibc that torch, and conda's Python 3.8 and newer, ran on."""
_LONGEST_TYPED, _LONGEST, _EARLY = 60, 200, 40
"""Character limits: a text about a system names it early."""
_DARWIN = ((25, 1), (20, -9))
"""First release of Darwin, and the difference to macOS: Darwin 20 to 24 are macOS 11 to 15; 25 is macOS 26."""
_FAMILIES: tuple[Os, ...] = ("windows", "macos", "linux")


def _search(name: str, text: str) -> re.Match[str] | None:
    return search(f"system.{name}", text.lower()) if text else None


def family_of(text: str) -> Os | None:
    """Return the family of the system that a text names, None if it names none."""
    family: Os | None = next((family for family in _FAMILIES if _search(family, text)), None)
    return "linux" if family == "windows" and _search("in_windows", text) else family


def host(collected: Collected) -> kinds.Host | None:
    """Return the Host from all values about the system; None if there are none."""
    systems = [
        v
        for entry in collected.all("os")
        if family_of(v := _system(entry.value, typed=entry.typed))
    ]
    systems.sort(key=lambda name: name.lower() in ("linux", *_FAMILIES))
    macs = (informative(entry.value) for entry in collected.all("machine", "model", "gpu", "cpu"))
    systems += [m for m in macs if len(m) <= _LONGEST_TYPED and family_of(m) == "macos"]
    texts = [entry.value for entry in collected.all("platform", "kernel")]
    platforms = [informative(text) for text in texts if _search("platform", text.strip())]
    build, version, python = (
        collected.first("windows_build"),
        collected.first("mac"),
        collected.first("python"),
    )
    mac = version and shape("system.mac_release").match(version)
    numbers = (f"Windows-10-{build}" if build else "", f"macOS {version}" if mac else "")
    both = " ".join([*systems[:2], *platforms[:3], *numbers]).strip()
    family = family_of(both) or family_of(python if "[" in python else "")
    machines = _search("linux_machine", collected.first("machine"))
    devices = " ".join(entry.value for entry in collected.all("model", "gpu", "os"))
    jetson = _search("tegra", f"{both} {devices}") or "jetpack" in devices.lower()
    model = "NVIDIA Jetson" if jetson else ""
    is_linux = platforms or machines or collected.first("libc") or model
    if _of_wsl(collected) or (family is None and is_linux):
        family = "linux"
    if family is None:
        return None
    platform = platforms[0][:120] if platforms else ""
    kernel = search("system.kernel", platform)
    machine = _machine(both, python, collected)
    translated = machine == "x86_64" or any(
        "x86_64" in platform_text for platform_text in platforms
    )
    # under Rosetta the processor can be called VirtualApple
    apple = any(v.value.startswith(("Apple", "VirtualApple")) for v in collected.all("cpu", "gpu"))
    rosetta = family == "macos" and translated and (machine == "arm64" or apple)
    distro = _search("distribution", both) if family == "linux" else None
    libc = _libc(collected, both, distro) if family == "linux" else None
    return kinds.Host(
        os=family,
        name=_name(family, systems[0] if systems else "", both),
        distro=table("labels")["distribution_ids"].get(distro[1], distro[1]) if distro else "",
        distro_version=(distro[2] or "") if distro else "",
        kernel=kernel[1] if kernel else platform,
        machine="arm64" if rosetta else machine,
        libc=libc[0] if libc else "",
        libc_version=libc[1] if libc else "",
        macos_version=_mac_version(both) if family == "macos" else "",
        wsl=_wsl(both, collected),
        model=model,
        rosetta=rosetta,
    )


def _libc(
    collected: Collected, both: str, distro: re.Match[str] | None
) -> tuple[Literal["glibc", "musl", ""], str]:
    """Return the C library and its version; if the text only names the system's release, the version it ships."""
    match = _search("libc", collected.first("libc")) or _search("libc", both)
    if match and match[1] == "musl":
        return "musl", match[2] or ""
    # an older one is a symbol version, which builds of Python report in platform.platform()
    if match and parts(match[2]) >= _OLDEST:
        return "glibc", match[2]
    name, version = (distro[1], distro[2] or "") if distro else ("", "")
    shipped = table("labels")["glibc"].get(name, {})
    plain = shipped.get(version) or shipped.get(version.partition(".")[0], "")
    return ("glibc", plain) if plain else ("", "")


def _name(family: Os, system: str, both: str) -> str:
    name = shape("system.of_machine").sub("", system)[:80]
    if family == "windows":
        build, edition = search("system.build", both), search("system.edition", name)
        if build and int(build[1]) >= _WINDOWS_11 and "server" not in both.lower():
            return "Windows 11"
        return edition[0].strip() if edition else "Windows 10" if build and not name else "Windows"
    if family == "macos" and (
        not any(map(str.isdigit, name)) or name.startswith(("Darwin", "Apple M"))
    ):
        return f"macOS {_mac_version(both)}".strip()
    return name or "Linux"


def _system(value: str, *, typed: bool) -> str:
    plain = informative(value)
    prose = len(plain) > (_LONGEST_TYPED if typed else _LONGEST) or not family_of(plain[:_EARLY])
    return "" if prose else plain


def _machine(both: str, python: str, collected: Collected) -> str:
    for text in (both, *(entry.value for entry in collected.all("machine")), python):
        if match := _search("machine", text):
            name = match[1].replace("x86-64", "x86_64")
            return "x86_64" if name == "i386" and _search("macos", both) else name
    if _search("intel_mac", both):
        return "x86_64"
    chips = " ".join(entry.value for entry in collected.all("cpu", "gpu", "os", "model", "machine"))
    return "arm64" if _search("arm_chip", chips) else ""


def _wsl(both: str, collected: Collected) -> Literal[0, 1, 2]:
    answers = [entry.value for entry in collected.all("wsl") if yes_or_no(entry.value) is not False]
    low, number = both.lower(), _of_wsl(collected)
    if number:
        return number
    if match := _search("wsl", " ".join([both, *(f"wsl {answer}" for answer in answers)])):
        return 1 if match[1] == "1" else 2
    if "microsoft" in low and "microsoft windows" not in low:
        return 2 if "standard" in low else 1
    return 0


def _of_wsl(collected: Collected) -> Literal[0, 1, 2]:
    build = collected.first("windows_build").rpartition(".")[2]
    if collected.all("wsl_word") and build and int(build) < _WSL_2:
        return 1
    return {"1": 1, "2": 2}.get(collected.first("wsl_list"), 0)  # type: ignore[return-value]


def _mac_version(both: str) -> str:
    match = _search("mac_version", both)
    if match and not match[1].startswith("10.16"):
        return match[1]
    darwin = _search("darwin", both)
    number = int(darwin[1]) if darwin else 0
    return next((str(number + more) for least, more in _DARWIN if number >= least), "")


_LONGEST_VALUE = 4000
_VISIBLE = frozenset({"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"})
_WORDS = 3
"""Most words of a variable's value: a longer one is prose about it."""


def filled(collected: Collected) -> list[Fact]:
    """Return the facts from labels; in the table, "NAME=WORD" means WORD if NAME is present, "NAME=" its value."""
    rows: dict[str, dict[str, Any]] = {}
    for key, row in table("labels")["labels"].items():
        value = collected.value(key) if "fills" in row else None
        if value is not None:
            fact, _, field = row["fills"].partition(".")
            rows.setdefault(fact, {}).setdefault(field, value)
    result: list[Fact] = []
    for fact, row in rows.items():
        fields = dict(row)
        for field, word in table("labels")["facts"].get(fact, {}).items():
            other, depends, plain = str(word).partition("=")
            if not depends or other in row:
                fields.setdefault(field, (plain or row[other]) if depends else word)
        with suppress(msgspec.ValidationError):
            result.append(msgspec.convert(fields, getattr(kinds, fact)))
    return result


def variables(collected: Collected, visible: int) -> list[Fact]:
    """Return the Environment from "NAME=value" and "NAME: value"; irrelevant names are left out.

    `shown`: number of GPUs that torch counted, from 0, if the report lists those; then numbers of other GPUs mean
    nothing. 0 if the report lists all GPUs.
    """
    values_by_name: dict[str, str] = {}
    # set in the shell, but not exported
    missing = tuple(entry.value for entry in collected.all("not exported"))
    for key in collected.beginning("env "):
        name = key.removeprefix("env ")
        values = (entry.value.strip().strip("\"'") for entry in collected.all(key))
        value = next((value for value in values if _is_value(value)), None)
        if value is not None and not any(part in name for part in missing):
            values_by_name[name] = value[:_LONGEST_VALUE]
    for name in _VISIBLE & values_by_name.keys() if visible else ():
        numbers = [int(n) for n in shape("system.numbers").findall(values_by_name[name][:200])]
        if numbers and max(numbers) >= visible:
            del values_by_name[name]
    fact = environment(variables=values_by_name)
    return [fact] if fact.variables or missing else []


def _is_value(text: str) -> bool:
    reference = "$" in text[:40].partition(":")[0] or text.startswith("%")
    sentence = len(text.split(maxsplit=_WORDS)) > _WORDS and ("; " in text or ", " in text)
    nothing = text and (text.lower() in NOTHING or text.lower() == "(nothing)")
    return not nothing and not reference and not sentence
