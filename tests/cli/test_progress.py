"""What takes long shows on a terminal how far it is, and leaves nothing behind; elsewhere nothing is written."""

import sys

from typed import on_terminal

CODE = """
import os, sys, time
from tunedoctor.cli import streams
streams.take_over()
from tunedoctor.cli.progress import Spinner, spinner
times, show = [], Spinner._show
Spinner._show = lambda *given: (show(*given), times.append(1))
def drawn(one):
    # until what there is now has been drawn, however busy the machine is; a dumb terminal is not drawn on
    seen = len(times)
    while "TERM" in os.environ and os.environ["TERM"] != "dumb" and len(times) < seen + 2:
        time.sleep(0.01)
with spinner("reading") as one:
    one.watch(["a\\x1b[2Jb"])
    one.total, one.read = 200, 100
    drawn(one)
    one.say("a line\\n")
with spinner() as one:
    for stage in ("import torch", "train", "train, step 3"):
        one.step([stage])
    drawn(one)
print("rich.progress" in sys.modules)
"""


def _shown(term: str) -> str:
    argv = [sys.executable, "-c", CODE]
    ended = on_terminal(argv, TERM=term, PYTHONIOENCODING="utf-8", COLUMNS="100")
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_a_terminal_sees_how_far_it_is():
    said = _shown("xterm")
    assert "reading ab" in said
    assert "50%" in said
    assert "\x1b[2Jb" not in said  # what is read acts on no terminal
    assert "a line\r\n" in said
    assert "import torch" in said
    assert "train, step 3" in said
    assert said.endswith("True\r\n")
    assert said.count("\x1b[?25h") == said.count("\x1b[?25l") > 1  # the cursor is there again


def test_a_dumb_terminal_sees_the_result_alone():
    assert _shown("dumb") == "a line\r\nFalse\r\n"
