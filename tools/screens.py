"""Draw twelve screens of doctor as SVG pictures, in several widths and colours.

    python tools/screens.py FOLDER [--width 60 80 120] [--look dark light plain]

Each command really runs; the machines are those of tests/museum. "plain" is without colour.
"""

import argparse
import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "museum")]

from museum import snapshot_of  # noqa: E402  the tests are no package

from tunedoctor.model.snapshot import to_data  # noqa: E402

MACHINES = ("healthy-rtx4090", "driver-550-with-cu130")
ERROR = """\
Traceback (most recent call last):
  File "train.py", line 12, in <module>
    model.to("cuda")
RuntimeError: CUDA error: no kernel image is available for execution on the device
NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.
torch 2.6.0+cu124
"""
PROJECT = {
    "pyproject.toml": '[project]\nname = "tune"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
    'dependencies = [\n    "torch<2.7",\n]\n\n[tool.uv]\n',
    "uv.lock": 'version = 1\n[[package]]\nname = "tune"\nversion = "0.1"\nsource = { virtual = "." }\n'
    'dependencies = [{ name = "torch" }]\n[[package]]\nname = "torch"\nversion = "2.6.0"\n',
}
SCREENS = {
    "check-healthy": "doctor check --from healthy-rtx4090.json",
    "check-broken": "doctor check --from driver-550-with-cu130.json",
    "check-machine": "doctor check --profile node",
    "check-project": "doctor check --project tune --gpu 'RTX 5090' --gpu H100 --driver 570",
    "triage": "doctor triage error.txt",
    "diff": "doctor diff healthy-rtx4090.json driver-550-with-cu130.json",
    "wheel": "doctor wheel --platform linux --python 3.12 --gpu 'RTX 5090' --driver 570",
    "fit": "doctor fit Llama-3.1-8B --method qlora --gpu 'RTX 4060'",
    "fit-vram": "doctor fit --vram 8",
    "explain": "doctor explain driver-too-old",
    "help": "doctor --help",
    "help-fit": "doctor fit --help",
}
THEMES = {"dark": DIMMED_MONOKAI, "light": DEFAULT_TERMINAL_THEME, "plain": DEFAULT_TERMINAL_THEME}
FONT = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
"""Rich's own template loads a font from elsewhere."""


def main() -> None:
    """Run each command in each width, and draw it in each look."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--width", type=int, nargs="+", default=[60, 80, 120])
    arguments.add_argument("--look", nargs="+", choices=[*THEMES], default=[*THEMES])
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place:
        work = Path(place).resolve()
        _prepare(work)
        for name, command in SCREENS.items():
            for width in given.width:
                for look in given.look:
                    said = run(command, work, width, colour=look != "plain")
                    file = given.folder / f"{name}-{width}-{look}.svg"
                    file.write_text(draw(command, said, width, look), encoding="utf-8")


def _prepare(work: Path) -> None:
    for name in MACHINES:
        (work / f"{name}.json").write_text(json.dumps(to_data(snapshot_of(name))))
    (work / "error.txt").write_text(ERROR)
    (work / "tune").mkdir()
    for name, text in PROJECT.items():
        (work / "tune" / name).write_text(text)


def run(command: str, work: Path, width: int, *, colour: bool) -> str:
    """Return what a command prints on a terminal of a width."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    env |= {} if colour else {"NO_COLOR": "1"}
    argv = [sys.executable, "-m", "tunedoctor", *shlex.split(command)[1:]]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, width, 0, 0))
    child = subprocess.Popen(  # noqa: S603  doctor itself
        argv, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    parts: list[bytes] = []
    with suppress(OSError):  # the terminal is gone with the program
        while part := os.read(ours, 1 << 16):
            parts.append(part)
    os.close(ours)
    child.wait()
    said = b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")
    return said.replace(str(work), "~")


def draw(command: str, said: str, width: int, look: str) -> str:
    """Return an SVG picture of a command and what it printed."""
    console = Console(
        file=StringIO(),
        record=True,
        width=width,
        force_terminal=True,
        highlight=False,
        no_color=look == "plain",
    )
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(said))
    return console.export_svg(
        title=f"{width} columns",
        theme=THEMES[look],
        code_format=FONT.sub("", CONSOLE_SVG_FORMAT),
    )


if __name__ == "__main__":
    main()
