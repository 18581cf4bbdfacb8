"""Follow a page of the documentation as a reader does: run its `sh` blocks one after the other in an empty folder.

    python tools/walk.py docs/road.md [--write] [--skip TEXT ...] [--env NAME=VALUE ...] [--change OLD=NEW ...]

All blocks run in one shell, so that settings of one apply to the next. The output of a block follows it in a `text`
block; --write updates these in the page. --skip leaves out blocks that contain a text, and --change replaces
words, for a run without the network or with a smaller model. Ends with the first block that fails, and its
status; a command that should fail has its status in a comment: `# exits with 2`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple, cast

BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
"""Commands, and their output from the last run."""
EXPECTED = re.compile(r"^(.*?) *# exits with (\d+).*$", re.MULTILINE)
_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r(?=[^\n])")
"""Colours, and overwritten lines."""
LONGEST = 60
"""Most lines of a block's output to keep."""


class Ran(NamedTuple):
    """A block that was run."""

    commands: str
    printed: str
    seconds: float
    status: int


class Shell:
    """A shell in a folder, which runs one block after another."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        """Start it."""
        self._end = f"--- {os.getpid()} ended with"
        argv, pipe = [shutil.which("bash") or "sh"], subprocess.PIPE
        self._child = subprocess.Popen(  # noqa: S603
            argv, cwd=folder, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )
        self._in = cast("IO[bytes]", self._child.stdin)
        self._out = cast("IO[bytes]", self._child.stdout)

    def run(self, commands: str) -> Ran:
        """Run the lines of a block, up to the first that fails."""
        began, lines = time.monotonic(), list[str]()
        # a command reading stdin would consume the next block; as a group, the block is read first and stdin is empty
        commands = EXPECTED.sub(r"\1 || [ $? = \2 ]", commands)
        text = f"{{ set -e\n{commands}\nset +e\n}} </dev/null; echo; echo '{self._end}' $?\n"
        self._in.write(text.encode())
        self._in.flush()
        for raw in self._out:
            line = raw.decode("utf-8", "replace")
            if line.startswith(self._end):
                lines[-1:] = []  # the line break before it
                took = time.monotonic() - began
                return Ran(commands, _NOISE.sub("", "".join(lines)), took, int(line.split()[-1]))
            lines.append(line)
        took = time.monotonic() - began
        return Ran(commands, _NOISE.sub("", "".join(lines)), took, self._child.wait())


def blocks(page: str) -> list[str]:
    """Return the commands of a page."""
    return [found[1] for found in BLOCK.finditer(page)]


def with_output(page: str, ran: dict[str, Ran]) -> str:
    """Return a page with the output of its blocks."""

    def put(found: re.Match[str]) -> str:
        one = ran.get(found[1])
        if one is None:
            return found[0]
        lines = one.printed.strip("\n").splitlines()
        if len(lines) > LONGEST:
            lines = [*lines[: LONGEST // 2], "…", *lines[-LONGEST // 2 :]]
        shown = "\n".join(line.rstrip() for line in lines)
        return f"```sh\n{found[1]}```\n" + (f"\n```text\n{shown}\n```\n" if shown else "")

    return BLOCK.sub(put, page)


def main() -> int:
    """Follow the page; return the status of the first block that failed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to walk; else a temporary one")
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--change", action="append", default=[])
    asked = parser.parse_args()
    page = asked.page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="walk-") as scratch:
        home = asked.folder or Path(scratch)
        home.mkdir(exist_ok=True)
        more = dict(one.split("=", 1) for one in asked.env)
        env = {**os.environ, "HOME": str(home), "COLUMNS": "80", **more}
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            env.pop(name, None)
        shell, ran, last = Shell(home, env), dict[str, Ran](), None
        for commands in blocks(page):
            if any(text in commands for text in asked.skip):
                continue
            text = commands
            for old, _, new in (one.partition("=") for one in asked.change):
                text = text.replace(old, new)
            last = shell.run(text)
            sys.stdout.write(f"$ {text}{last.printed}[{last.seconds:.1f} s]\n\n")
            sys.stdout.flush()
            ran[commands] = last._replace(printed=last.printed.replace(str(home), "~"))
            if last.status:
                break
    if asked.write:
        asked.page.write_text(with_output(page, ran), encoding="utf-8")
    return last.status if last else 0


if __name__ == "__main__":
    sys.exit(main())
