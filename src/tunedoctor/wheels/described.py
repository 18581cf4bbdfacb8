"""Describe a machine from a snapshot, JSON or options; errors name the field and the way out."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import Interpreter, Unknown
from tunedoctor.facts.clean import clean_text as clean
from tunedoctor.model.machine import VISIBLE, Gpu, Machine, MachineError, Platform, gpus_of, of_host
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import parts, specifiers
from tunedoctor.tables.gpus import amd_like, named_as, nvidia_by_pci, nvidia_like
from tunedoctor.tables.load import table
from tunedoctor.wheels.rules import one_spelling
from tunedoctor.wheels.situation import identify_gpu, with_current_driver

MOST_GPUS = 256
"""More than any machine has; a longer list is a mistake."""
MOST_MEMORY = 100_000
"""GiB; a larger number is a mistake, and is ignored."""
_NO_DRIVER = ("none", "null", "no", "n/a", "[n/a]", "-")
_TEXTS = ("platform", "arch", "python", "glibc", "libc", "macos", "driver_version", "torch")
_GPU_TEXTS = ("name", "vendor", "compute_capability", "gfx", "seen_by")
_LOWER = ("platform", "libc", "vendor", "gfx")
_Row = dict[str, Any]


def _refuse(condition: object, message: str) -> None:
    if condition:
        raise MachineError(message)


def machine_of(snapshot: Snapshot, torch: str = "") -> Machine:
    """Return machine and target of a snapshot. Raises MachineError if its system or Python is unknown."""
    facts, answer = Facts(snapshot), snapshot.get(Interpreter)
    host, python = facts.host, facts.interpreter
    why = answer.why if isinstance(answer, Unknown) else "it has none"
    _refuse(not python, f"could not examine the target's Python: {why}")
    wrong = "unknown system: only Linux, WSL, Windows and macOS have wheels"
    _refuse(not host or host.os == "other", wrong)
    gpus_of_machine = [gpu for gpu in gpus_of(snapshot) if gpu.vendor != "apple"]
    nvidia = [gpu for gpu in gpus_of_machine if gpu.vendor == "nvidia"]
    gpus = [*nvidia, *_undriven(facts), *gpus_of_machine[len(nvidia) :]]
    return replace(
        of_host(host, python, msgspec.convert(gpus, tuple[Gpu, ...], from_attributes=True)),
        driver_version=facts.nvidia_driver.version,
        torch=torch,
        env=_environment(facts, gpus),
    )


def _undriven(facts: Facts) -> Iterator[Gpu]:
    """Yield the NVIDIA GPUs that the bus shows but the driver does not offer."""
    cards = facts.nvidia.gpus
    slots = {_slot(card.slot) for card in cards}
    # if the driver reports no slots, only the counts can be compared
    others = [
        bus_device for bus_device in facts.pci.of("10de") if _slot(bus_device.slot) not in slots
    ]
    for device in others[len(cards) if "" in slots else 0 :]:
        model = nvidia_by_pci(device.device)
        name = model.name if model else f"NVIDIA device {device.device}"
        capability = model.compute_capability if model else ""
        yield Gpu(name, "nvidia", capability, seen_by="PCI bus only")


def _slot(slot: str) -> str:
    """Return bus and device of "00000000:01:00.0", for any length of the domain."""
    return slot.lower().partition(":")[2] if slot.count(":") > 1 else slot.lower()


def _environment(facts: Facts, gpus: list[Gpu]) -> dict[str, str]:
    host, own = facts.host, facts.interpreter
    nvidia = facts.nvidia_driver or any(g.vendor == "nvidia" for g in gpus)
    compat = ":".join(f for f in facts.library_path.folders if "compat" in f)
    variables = {
        "python_full_version": own.version,
        "implementation": own.implementation,
        **{name: facts.environment.get(name) for name in VISIBLE},
        "LD_LIBRARY_PATH": compat or None,
        "python_bits": str(own.bits) if own.bits != 64 else None,
        "rosetta": "1" if host.rosetta else None,
        "model": host.model if "Jetson" in host.model else None,
        "container": facts.container.kind if facts.container and nvidia else None,
    }
    return {name: value for name, value in variables.items() if value is not None}


def machines_from(text: str) -> list[Machine]:
    """Return the machines in a JSON object, a list, or JSON lines. Raises MachineError."""
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise MachineError("it is nested too deep for a machine") from error
    except ValueError:
        data = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                data += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as error:
                raise MachineError(
                    f"line {number} is not the JSON of a machine: {error}"
                ) from error
    rows = data if isinstance(data, list) else [data]
    _refuse(not rows, "it is empty; expected a JSON object with platform, arch, python …")
    return [machine_from(row) for row in rows]


def machine_from(row: object) -> Machine:
    """Return the machine that a JSON object describes; unknown keys are ignored. Raises MachineError."""
    if not isinstance(row, dict):
        raise MachineError("a machine must be a JSON object")
    texts = {key: _text(row, key) for key in _TEXTS}
    if texts["driver_version"].lower() in _NO_DRIVER:
        texts["driver_version"] = ""
    gpus, platforms, driver = row.get("gpus") or [], get_args(Platform), texts["driver_version"]
    platform_known = texts["platform"] in platforms
    _refuse(
        not platform_known,
        f"platform is {texts['platform']!r}; expected one of {', '.join(platforms)}",
    )
    wrong = "python is missing, for example 3.12, or 3.13t for a free-threaded one"
    _refuse(not texts["python"], wrong)
    valid_gpus = isinstance(gpus, list) and len(gpus) <= MOST_GPUS
    _refuse(not valid_gpus, f"gpus is not a list of at most {MOST_GPUS} GPUs")
    wrong = f"driver_version is {driver[:60]!r}; expected a version such as 580.65.06, or null for no driver"
    _refuse(driver and not parts(driver), wrong)
    texts["arch"] = texts["arch"] or ("arm64" if texts["platform"] == "macos" else "x86_64")
    texts["torch"] = parse_range(texts["torch"])
    tools = row.get("rocm_tools")
    more = {
        "gpus": [_gpu(number, described) for number, described in enumerate(gpus)],
        "env": _strings(row, "env"),
        "installer": _strings(row, "installer"),
        "rocm_tools": tools if isinstance(tools, bool) else None,
    }
    return msgspec.convert({**texts, **more}, Machine)


def parse_range(torch: str) -> str:
    """Return a requested range as a specifier: "2.6" means "==2.6.*". Raises MachineError."""
    text = torch.strip().removeprefix("py").removeprefix("torch").strip()
    if text[:1].isdigit():
        text = f"=={text}" if "+" in text or text.count(".") > 1 else f"=={text}.*"
    wrong = f"torch is {torch!r}; expected a range such as >=2.6 or ==2.14.1"
    _refuse(specifiers(text) is None, wrong)
    return text


def _gpu(number: int, row: object) -> _Row:
    if not isinstance(row, dict):
        raise MachineError(f"gpus[{number}] is not a JSON object")
    texts = {key: _text(row, key) for key in _GPU_TEXTS}
    capability, memory = texts["compute_capability"], row.get("memory_gib")
    wrong = f"gpus[{number}].compute_capability is {capability!r}; expected a number such as 8.9"
    _refuse(capability and len(parts(capability)) < 2, wrong)
    sized = memory if isinstance(memory, int | float) and 0 < memory < MOST_MEMORY else 0
    return {**texts, "excluded": row.get("excluded") is True, "memory_gib": float(sized)}


def _text(row: _Row, key: str) -> str:
    """Return a cleaned string; numbers become their text. Raises MachineError."""
    value = "" if row.get(key) is None else row[key]
    wrong = f"{key} is {type(value).__name__}; expected a string"
    _refuse(not isinstance(value, str | int | float) or isinstance(value, bool), wrong)
    text = clean(str(value)).strip()
    return text.lower() if key in _LOWER else text


def _strings(row: _Row, key: str) -> dict[str, str]:
    value = row.get(key) or {}
    if isinstance(value, str):
        return {"args": clean(value)}
    _refuse(not isinstance(value, dict), f"{key} is not a JSON object")
    try:
        return {clean(str(k)): clean(str(v)) for k, v in value.items() if v is not None}
    except RecursionError as error:
        raise MachineError("it is nested too deep for a machine") from error


class DescribedValues(NamedTuple):
    """Values of the options; "" and () if not given. --gpu and --driver accept "none" for "there is none"."""

    platform: str = ""
    arch: str = ""
    glibc: str = ""
    musl: bool = False
    macos: str = ""
    python: str = ""
    driver: str = ""
    gpus: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    torch: str = ""


def blank(options: DescribedValues, python: str) -> tuple[Machine, tuple[str, ...]]:
    """Return the machine that the options alone describe, and what was assumed; `python` is the default version."""
    row = {"platform": options.platform, "arch": options.arch, "python": options.python or python}
    try:
        machine = machine_from(row)
    except MachineError as error:
        raise MachineError(f"--{error}") from None
    given_options = (options.python, options.arch, options.gpus or machine.platform == "macos")
    defaults = (f"Python {python}", machine.arch, "no GPU")
    assumed = tuple(
        word for word, is_given in zip(defaults, given_options, strict=True) if not is_given
    )
    return over(machine, options, driver_known=False), assumed


USUAL_GLIBC = "2.35"
"""Assumed for a Linux machine whose glibc is not given: that of Ubuntu 22.04; Debian 12 and newer have a newer one."""


def with_glibc(machine: Machine, own: str, arch: str) -> tuple[Machine, tuple[str, ...]]:
    """Return the machine with an assumed glibc if none is given, and what was assumed.

    It is doctor's `own` glibc ("" if not on Linux) if the processor is that of this machine, else a usual one.
    """
    if machine.system != "linux" or machine.glibc or machine.libc == "musl":
        return machine, ()
    same = bool(own) and one_spelling(arch) == one_spelling(machine.arch)
    glibc, where = (own, ", like this machine") if same else (USUAL_GLIBC, "")
    return replace(machine, glibc=glibc), (f"glibc {glibc}{where} (--glibc sets another)",)


def over(machine: Machine, options: DescribedValues, *, driver_known: bool = True) -> Machine:
    """Return `machine` with the facts of the options; `driver_known`: "no driver" is certain. Raises MachineError."""
    gpus, driver, env = machine.gpus, machine.driver_version, machine.env
    if options.gpus:
        gpus = () if _none(options.gpus) else tuple(map(_gpu_named, options.gpus))
        # what hides the GPUs of this machine does not apply to others
        env = {k: v for k, v in env.items() if not k.endswith("_VISIBLE_DEVICES")}
    if options.driver:
        none = _none([options.driver])
        driver_version = "" if none else _numbers(options.driver, "--driver", "580.65.06")
        driver = driver_of_branch(driver_version, windows=machine.windows)
    updated = replace(
        machine,
        arch=options.arch or machine.arch,
        glibc=_numbers(options.glibc, "--glibc", "2.28") or machine.glibc,
        libc="musl" if options.musl else "glibc" if options.glibc else machine.libc,
        macos=_numbers(options.macos, "--macos", "14.5") or machine.macos,
        python=_numbers(options.python, "--python", "3.12") or machine.python,
        driver_version=driver,
        gpus=_without(gpus, options.without),
        torch=parse_range(options.torch),
        env={k: v for k, v in env.items() if not options.python or k != "python_full_version"},
    )
    described = bool(options.gpus) or not driver_known
    nvidia = any(g.vendor == "nvidia" or g.compute_capability for g in gpus)
    supposed = described and nvidia and not (options.driver or driver)
    return with_current_driver(updated) if supposed else updated


def _without(gpus: tuple[Gpu, ...], words: Iterable[str]) -> tuple[Gpu, ...]:
    """Mark the GPUs that the user excludes, by compute capability, gfx target or a part of the name."""
    for word in words:
        needle = word.strip().lower()
        matching = {g for g in gpus if needle and (needle == g.target or needle in g.name.lower())}
        have = ", ".join(g.name for g in gpus) or "none"
        wrong = f"--without is {word[:60]!r}, but no GPU has that name; the GPUs are: {have}"
        _refuse(not matching, wrong)
        gpus = tuple(replace(g, excluded=True) if g in matching else g for g in gpus)
    return gpus


def driver_of_branch(driver: str, *, windows: bool) -> str:
    """Return a driver of a branch for its bare number: "570" is "570.26", the newest that anything of it requires."""
    if not (driver.isdigit() and len(driver) == 3):
        return driver
    cuda = table("torch_wheels")["cuda"]
    pairs = cuda["variant_native_driver"].values()
    key = "min_driver_windows" if windows else "min_driver_linux"
    floors = [pair[windows] for pair in pairs] + [
        row.get(key, "") for row in cuda["gpu_generations"]
    ]
    return max(
        (
            str(driver_floor)
            for driver_floor in floors
            if parts(str(driver_floor))[:1] == (int(driver),)
        ),
        key=parts,
        default=driver,
    )


def _none(words: Iterable[str]) -> bool:
    return [w.strip().lower() for w in words] == ["none"]


def _numbers(text: str, option: str, example: str) -> str:
    plain = text.strip()
    fits = plain[:1].isdigit() and len(plain) < 40 and plain.isascii()
    wrong = f"{option} is {text[:60]!r}; expected a version such as {example}"
    _refuse(plain and not fits, wrong)
    return plain


def _gpu_named(text: str) -> Gpu:
    """Return the GPU for a word such as "8.9", "sm_120", "gfx1100", "RTX 4090", "xpu". Raises MachineError."""
    text = clean(text).strip()
    word = text.lower()
    if match := re.fullmatch(r"(?:sm_?|compute_|cc)?(\d{1,2})\.?(\d)[af]?", word):
        capability = f"{match[1]}.{match[2]}"
        return Gpu(f"compute capability {capability}", "nvidia", capability)
    if named_as("gfx", word):
        return Gpu(word, "amd", gfx=word)
    if word in ("xpu", "intel"):
        return Gpu("Intel Arc", "intel", xpu=True)
    if named_as("arc_model", word) and not nvidia_like(text):
        text = f"Intel Arc {text.upper()}"
    gpu = identify_gpu(Gpu(name=text))
    if gpu.vendor == "intel" or gpu.target:
        return gpu
    # the models with this text in their names may all have one architecture
    nvidia, amd = nvidia_like(text), amd_like(text)
    kinds = {card.compute_capability for card in nvidia} | set(amd.values())
    names = [*(card.name for card in nvidia), *amd]
    if len(kinds) == 1:
        name, kind = names[0] if len(names) == 1 else text, kinds.pop()
        return Gpu(name, "nvidia", kind) if nvidia else Gpu(name, "amd", gfx=kind)
    hints = "its compute capability (8.9), its gfx target (gfx1100) or its full name"
    problem = f"unknown GPU {text[:60]!r}"
    if kinds:
        problem = f"several kinds of GPU match {text[:60]!r} ({', '.join(names[:4])} ...)"
    raise MachineError(f"{problem}: give {hints}")
