"""The screen of a wheel choice: what to do, why, what else there is, and the commands."""

from tunedoctor.render.style import Style
from tunedoctor.tables.load import table
from tunedoctor.wheels.answer import Answer
from tunedoctor.wheels.commands import REQUIREMENTS, Commands
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wording import many

INDENT = 11
NONE = Commands((), (), "", "", "")
_SYSTEMS = {"linux": "Linux", "wsl": "WSL", "windows": "Windows", "macos": "macOS"}


def render(answer: Answer, style: Style) -> str:
    """Return the screen of an answer."""
    lines = [*_heading("machine", _machine(answer.machine), style)]
    lines += _heading("assumed", ", ".join(answer.assumed), style)
    lines += [*_installed(answer, style), "", *_head(answer, style)]
    for number, reason in enumerate(answer.reasons):
        lines += style.wrapped(reason, INDENT, "" if number else "      why")
    for number, one in enumerate(answer.alternatives):
        lines += style.wrapped(one, INDENT, "" if number else "       or")
    if answer.hidden:
        lines += style.row("not for", ", ".join(answer.hidden))
    lines += [*_steering(answer, style), *_commands(answer, style)]
    return "\n".join([*lines, *_knowledge(answer, style)]) + "\n"


def _knowledge(answer: Answer, style: Style) -> list[str]:
    one = answer.knowledge
    if one is None:
        return []
    text = f"wheel table of {one.date}, {many(one.days, 'day')} old" + (
        ": doctor update reads what came since" if one.old else ""
    )
    return ["", style.paint(text, "warning" if one.old else "dim")]


def _head(answer: Answer, style: Style) -> list[str]:
    head: str = table("wheel_words")["heads"][answer.action]
    if answer.torch_version is None:
        return [f"{style.mark('error')} {style.paint(head, 'bold')}"]
    kind = "ok" if answer.action == "install" else "warning"
    build = f"torch {answer.torch_version}+{answer.variant}"
    text = build if answer.action == "install" else f"{head}: {build}"
    lines = [f"{style.mark(kind)} {style.paint(style.plain(text), 'bold')}"]
    beside = [
        f"{name} {version}"
        for name, version in (
            ("torchvision", answer.torchvision),
            ("torchaudio", answer.torchaudio),
        )
        if version and f"{name}=={version}" in (answer.commands or NONE).requirements
    ]
    if beside:
        lines += style.row("with", " and ".join(beside))
    index = "the default index" if answer.index == "PyPI" else answer.index
    lines.append(f"{'from':>9}  {index}")
    if answer.driver_floor:
        lines += style.row("driver", f"{answer.driver_floor} or newer")
    return lines


def _installed(answer: Answer, style: Style) -> list[str]:
    if not answer.installed:
        return []
    chosen = f"{answer.torch_version}+{answer.variant}"
    if answer.installed_fits:
        text = f"{answer.installed}, which fits this machine"
    elif answer.nearest and answer.nearest != chosen:
        release = answer.nearest.partition("+")[0]
        text = f"{answer.installed}; {answer.nearest} is nearest to it: doctor fix, or --torch {release}"
    else:
        text = answer.installed
    return _heading("installed", text, style)


def _machine(machine: Machine) -> str:
    libc = "musl" if machine.libc == "musl" else f"glibc {machine.glibc}" if machine.glibc else ""
    python = machine.env.get("python_full_version", machine.python)
    free = " free-threaded" if machine.python.endswith("t") else ""
    parts = [
        f"{_SYSTEMS[machine.platform]} {machine.macos}".strip() + f" {machine.arch}",
        libc,
        f"Python {python.removesuffix('t')}{free}",
        f"driver {machine.driver_version}" if machine.driver_version else "",
        *([] if machine.platform == "macos" else _gpus(machine.gpus)),
        f"wanted torch {machine.torch}" if machine.torch else "",
    ]
    return ", ".join(part.replace(" ", "\u00a0") for part in parts if part)


def _gpus(gpus: tuple[Gpu, ...]) -> list[str]:
    if not gpus:
        return ["no GPU"]
    counted: dict[str, int] = {}
    for gpu in gpus:
        code = gpu.compute_capability or gpu.gfx
        name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ") or code
        label = name if not code or code in name else f"{name} ({code})"
        label += " left out" if gpu.excluded else ""
        counted[label] = counted.get(label, 0) + 1
    return [f"{n} \u00d7 {label}" if n > 1 else label for label, n in counted.items()]


def _steering(answer: Answer, style: Style) -> list[str]:
    lines: list[str] = []
    for one in answer.steering:
        kind = "note" if one.withstood else "warning"
        head = f"{style.mark(kind)} {one.setting} = {one.value}  ({one.place})"
        lines += ["", style.plain(head) if not style.unicode else head]
        lines += style.wrapped(one.does, INDENT)
        lines += style.wrapped(one.cure, INDENT, "     cure") if one.cure else []
    return lines


def _commands(answer: Answer, style: Style) -> list[str]:
    """Commands stand unwrapped, each at the start of its line: they are there to be pasted."""
    commands = answer.commands
    if commands is None:
        return []
    there = bool(answer.installed_fits) and not answer.machine.driver_supposed
    blocks = (
        # nothing is to be installed where the build is there
        ("pip", "" if there else "\n".join(commands.pip)),
        ("uv pip", "" if there else "\n".join(commands.uv_pip)),
        ("uv project: pyproject.toml", commands.uv_project),
        ("Dockerfile", commands.dockerfile),
        (REQUIREMENTS, commands.requirements),
    )
    lines: list[str] = []
    for name, text in blocks:
        if text:
            lines += ["", style.paint(name, "bold"), *text.rstrip().splitlines()]
    if answer.environment and answer.machine.platform != "windows":
        lines += ["", style.paint("before each run", "bold")]
        lines += [f"export {name}={value}" for name, value in answer.environment.items()]
    return lines


def _heading(name: str, text: str, style: Style) -> list[str]:
    return style.wrapped(text, INDENT, name) if text else []
