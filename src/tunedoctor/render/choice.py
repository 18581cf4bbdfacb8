"""The screens of doctor wheel: what to do, why, what else there is, and the commands; or --matrix."""

from itertools import groupby

from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.model.wording import many, name_counts
from tunedoctor.render.screen import BOUND, Part, Screen, mark
from tunedoctor.tables.load import table
from tunedoctor.wheels.choose import BuildMatrix, MatrixRow, WheelChoice
from tunedoctor.wheels.commands import REQUIREMENTS, WheelCommands

INDENT = 11
NONE = WheelCommands((), (), "", "", "")
_SYSTEMS = {"linux": "Linux", "wsl": "WSL", "windows": "Windows", "macos": "macOS"}


def render(answer: WheelChoice, screen: Screen) -> str:
    """Return the screen of an answer."""
    head(answer.machine, answer.assumed, screen)
    if answer.installed:
        screen.wrap(_installed(answer), INDENT, "installed")
    screen.line()
    _head(answer, screen)
    for name, texts in (("why", answer.reasons), ("or", answer.alternatives)):
        for number, text in enumerate(texts):
            screen.row("" if number else name, text)
    screen.row("not for", ", ".join(answer.hidden))
    for steering in answer.steering:
        kind = "note" if steering.withstood else "warning"
        screen.line()
        screen.line(mark(kind), f" {steering.setting} = {steering.value}  ({steering.place})")
        screen.wrap(steering.does, INDENT)
        screen.row("fix", steering.cure)
    _commands(answer, screen)
    if knowledge := answer.knowledge:
        screen.line()
        newer = ": doctor update fetches newer data" if knowledge.old else ""
        text = f"wheel table of {knowledge.date}, {many(knowledge.days, 'day')} old{newer}"
        screen.wrap(text, kind="warning" if knowledge.old else "dim")
    if answer.torch_version is not None:
        screen.next(("doctor fix", "install it into an environment and prove it"))
    return screen.text()


def head(machine: Machine, assumed: tuple[str, ...], screen: Screen) -> None:
    """Show the machine and what was assumed about it."""
    screen.wrap(_machine(machine), INDENT, "machine")
    if assumed:
        screen.wrap(", ".join(assumed), INDENT, "assumed")


def _head(answer: WheelChoice, screen: Screen) -> None:
    head: str = table("wheel_words")["heads"][answer.action]
    if answer.torch_version is None:
        screen.line(mark("error"), " ", (head, "bold"))
        return screen.line(f"{'from':>9}  {answer.vendor.index}") if answer.vendor else None
    install = answer.action == "install"
    build = f"torch {answer.torch_version}+{answer.variant}"
    words = build if install else f"{head}: {build}"
    screen.line(mark("ok" if install else "warning"), " ", (words, "bold"))
    companions = [
        f"{name} {version}"
        for name in ("torchvision", "torchaudio")
        for version in [getattr(answer, name)]
        if version and f"{name}=={version}" in (answer.commands or NONE).requirements
    ]
    screen.row("with", " and ".join(companions))
    index = "the default index" if answer.index == "PyPI" else answer.index
    screen.line(f"{'from':>9}  {index}")
    return screen.row("driver", f"{answer.driver_floor} or newer" if answer.driver_floor else "")


def _installed(answer: WheelChoice) -> str:
    if answer.installed_fits:
        return f"{answer.installed}, which fits this machine"
    near = answer.nearest
    if not near or near == f"{answer.torch_version}+{answer.variant}":
        return answer.installed
    release = near.partition("+")[0]
    return f"{answer.installed}; the closest build that fits is {near}: run doctor fix, or use --torch {release}"


def _machine(machine: Machine) -> str:
    libc = "musl" if machine.libc == "musl" else f"glibc {machine.glibc}" if machine.glibc else ""
    python = machine.env.get("python_full_version", machine.python)
    free = " free-threaded" if machine.python.endswith("t") else ""
    parts = [
        f"{_SYSTEMS[machine.platform]} {machine.macos}".strip() + f" {machine.arch}",
        libc,
        f"Python {python.removesuffix('t')}{free}",
        f"driver {machine.driver_version}" if machine.driver_version else "",
    ]
    if machine.platform != "macos":
        parts += name_counts(map(_label, machine.gpus)) or ["no GPU"]
    parts += [f"requested torch {machine.torch}"] if machine.torch else []
    return ", ".join(part.replace(" ", BOUND) for part in parts if part)


def _label(gpu: Gpu) -> str:
    code = gpu.compute_capability or gpu.gfx
    name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ") or code
    label = name if not code or code in name else f"{name} ({code})"
    return f"{label} left out" if gpu.excluded else label


def _commands(answer: WheelChoice, screen: Screen) -> None:
    """Print commands unwrapped, each at the start of its line, so that they can be pasted."""
    commands = answer.commands
    if commands is None:
        return
    # nothing to install if the build is already there
    already_installed = bool(answer.installed_fits) and not answer.machine.driver_supposed
    variables = answer.environment if answer.machine.platform != "windows" else {}
    for name, text in (
        ("pip", "" if already_installed else "\n".join(commands.pip)),
        ("uv pip", "" if already_installed else "\n".join(commands.uv_pip)),
        ("uv project: pyproject.toml", commands.uv_project),
        ("Dockerfile", commands.dockerfile),
        (REQUIREMENTS, commands.requirements),
        ("before each run", "\n".join(f"export {k}={v}" for k, v in variables.items())),
    ):
        if text:
            screen.line()
            screen.line((name, "bold"))
            for line in text.rstrip().splitlines():
                screen.line(line)


def render_matrix(matrix: BuildMatrix, screen: Screen) -> str:
    """Return the screen: a line for each build of the last patch of each release, this machine marked."""
    head(matrix.machine, matrix.assumed, screen)
    screen.line()
    rows = [_cells(row, first=not i) for some in _releases(matrix) for i, row in enumerate(some)]
    screen.table("|torch|build|Python|driver|code for|here", rows)
    if not rows:
        screen.wrap(
            "no release in the requested range has a build for this platform", 2, mark("error")
        )
    screen.next(("doctor wheel", "see which one to take, why, and the install commands"))
    return screen.text()


def _releases(matrix: BuildMatrix) -> list[list[MatrixRow]]:
    every = [list(some) for _, some in groupby(matrix.rows, lambda row: row.torch)]
    last = {some[0].torch.rpartition(".")[0]: some for some in reversed(every)}
    return [some for some in every if some in last.values() or any(row.chosen for row in some)]


def _cells(row: MatrixRow, *, first: bool) -> tuple[Part, ...]:
    sign = mark("ok") if row.chosen else ""
    here = "; ".join(row.lacks) or ("this one" if row.chosen else "runs")
    torch, pythons, code = row.torch if first else "", _span(row.pythons), _span(row.code)
    return sign, torch, row.variant, pythons, row.driver, code, here


def _span(some: tuple[str, ...]) -> str:
    """Return the ends of a list, without free-threaded Pythons and PTX."""
    plain = [version for version in some if version[-1] != "t" and "+" not in version]
    return f"{plain[0]} - {plain[-1]}" if len(plain) > 1 else "".join(plain)
