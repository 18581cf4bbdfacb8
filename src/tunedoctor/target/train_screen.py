"""Show the progress of a training: a live curve on a terminal, lines elsewhere; output of libraries goes to a file."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

from train_input import RANK, SCREEN, Config, or_stop, regular, say, tell  # type: ignore[import-not-found]
from train_plot import PLAIN, characters, points, short, span  # type: ignore[import-not-found]

LOG = "train.log"
CLOSED: int = getattr(signal, "SIGHUP", 0)  # the terminal is gone; Windows has none
SMALL, TALL, MOST = 16, 8, 100
"""SMALL: lines or columns of a terminal without room for a curve; TALL, MOST: its largest lines and columns."""
SLOW_STEP, LONG = 10.0, 30.0
"""Seconds of a step next to which the warm-up of the first one is small; of a training that is worth announcing."""
OFTEN = 0.1
"""Seconds between two drawings of the curve."""


def hush(config: Config) -> None:
    """Redirect stdout and stderr to OUT/train.log; only the trainer's own messages and tracebacks reach the screen.

    A dry run has no OUT: doctor names a file for it, and without one nothing is redirected.
    """
    file = str(Path(config.out, LOG)) if config.out else os.environ.get("DOCTOR_TRAIN_LOG", "")
    if "out" in SCREEN or not file:
        return
    path = Path(file)
    with or_stop(f"{path} can't be written", "set out to another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            regular(path)
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for name, number in (("out", 1), ("err", 2)):
        stream = getattr(sys, f"std{name}")
        if stream is not None:
            stream.flush()
            how = {"encoding": stream.encoding, "errors": "backslashreplace"}
            SCREEN[name] = os.fdopen(os.dup(number), "w", **how)
            os.dup2(log, number)
    os.close(log)
    sys.excepthook = failed


def failed(*error: Any) -> None:
    """Print a traceback to the screen and to the log."""
    LIVE.wait()
    text = "".join(traceback.format_exception(*error))
    tell(text.rstrip(), "err")
    print(text, file=sys.stderr, flush=True)
    SCREEN.get("resume", str)()


def endings() -> list[int]:
    """Return the signals that end a training; SIGHUP is not one of them below nohup."""
    is_ignored = CLOSED == 0 or signal.getsignal(CLOSED) == signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *[CLOSED] * (not is_ignored)]


def until_it_trains(config: Config, what: str) -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP remove unfinished folders and end the process at once."""

    def end(number: int, _: Any) -> None:
        for left in Path(config.out).glob(".new-*") if config.out and RANK == 0 else ():
            shutil.rmtree(left, ignore_errors=True)
        LIVE.wait()
        if number == signal.SIGINT:
            say(f"stopped before {what}")
            os._exit(130)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in endings():
        signal.signal(number, end)


class Live:
    """The live display of a terminal, redrawn in place; without a terminal each row of the log is a line."""

    def __init__(self) -> None:
        """Start with an empty display."""
        self.shown, self.lock, self.ended = 0, threading.RLock(), threading.Event()
        self.thread: Any = None
        self.began = self.drawn = 0.0
        self.took: Any = deque(maxlen=20)
        self.seen: list[tuple[int, float]] = []
        self.expected = False
        SCREEN.update(wipe=self.wipe, close=self.wait)

    @property
    def stream(self) -> Any:
        """Return the stream for the trainer's own messages."""
        return SCREEN.get("out") or sys.stdout

    @property
    def on(self) -> bool:
        """Return whether that stream is a terminal whose lines can be overwritten."""
        can = RANK == 0 and os.name == "posix" and os.environ.get("TERM") not in (None, "dumb")
        return can and bool(self.stream) and bool(self.stream.isatty())

    def size(self) -> Any:
        """Return columns and lines of the terminal, whether or not stdout still leads to it."""
        wide = high = 0
        with contextlib.suppress(AttributeError, OSError, ValueError):
            wide, high = os.get_terminal_size(self.stream.fileno())
        return os.terminal_size((wide or 80, high or 24))  # some terminals report 0

    def wipe(self) -> None:
        """Clear the display."""
        with self.lock:
            if self.shown:
                print(f"\x1b[{self.shown}F\x1b[J", end="", file=self.stream, flush=True)
            self.shown = 0

    def hear(self, signals: list[int]) -> None:
        """Append Ctrl-C, SIGTERM and SIGHUP to `signals` and confirm them at once below the display."""

        def note(number: int, _: Any) -> None:
            signals.append(number)
            if number == CLOSED:  # the terminal is gone: later messages go to the log
                SCREEN.update(out=None, err=None)
            if RANK == 0 and self.stream:
                self.shown = 0
                os.write(self.stream.fileno(), b"stopping after this step, once it is saved\n")

        for number in endings():
            signal.signal(number, note)

    def show(self, lines: list[str]) -> None:
        """Replace the display with these lines."""
        with self.lock:
            wide = self.size().columns - 1
            if "utf" not in (self.stream.encoding or "").lower():
                lines = [line.translate(PLAIN) for line in lines]
            text = "".join(f"{line[:wide]}\x1b[K\n" for line in lines)
            head = f"\x1b[{self.shown}F" if self.shown else ""
            print(f"{head}{text}\x1b[J", end="", file=self.stream, flush=True)
            self.shown = len(lines)

    def wait(self, what: str = "", out: str = "") -> None:
        """Show what is being waited for, with the last line of the libraries' output, until the next call."""
        self.ended.set()
        if self.thread is not None:
            self.thread.join(1.0)
        self.wipe()
        self.ended, began = threading.Event(), time.monotonic()

        def turn(stopped: Any) -> None:
            while not stopped.wait(0.25):
                detail = last_words(Path(out, LOG)) if out else ""
                self.show([f"{what}  {time.monotonic() - began:.0f} s  {detail}"])

        self.thread = None
        if what and self.on:
            self.thread = threading.Thread(target=turn, args=(self.ended,), daemon=True)
            self.thread.start()

    def step(self, row: dict[str, Any], log: list[dict[str, Any]], total: int) -> None:
        """Redraw the curve and the numbers after a step."""
        now = time.monotonic()
        if self.began:
            self.took.append(now - self.began)
        self.began = now
        if not self.on or "loss" not in row:
            return
        self.seen = self.seen or points(log, "loss")[:-1]
        self.seen.append((row["step"], row["loss"]))
        if len(self.seen) > 40 * MOST:
            del self.seen[1::2]
        if now - self.drawn < OFTEN and row["step"] < total:
            return
        self.drawn = now
        wide, high = self.size()
        size = (min(MOST, wide - 1), min(TALL, high - 8))
        curve = characters(self.seen, total, *size) if min(high, wide) > SMALL else []
        speed = dict([("tokens_per_s", n) for _, n in points(log[-9:], "tokens_per_s")][-1:])
        words = progress({**speed, **row}, total, self.left(total - row["step"]), wide - 1)
        self.show([*curve, words])

    def keep(self) -> None:
        """Leave the current lines on the screen; the next display starts below them."""
        self.shown = 0

    def seconds_left(self, steps: int) -> float:
        """Return how long that many steps take; 0 before the first one has ended."""
        some = list(self.took)[1:] or list(self.took)
        return float(steps * sum(some) / max(1, len(some)))

    def left(self, steps: int) -> str:
        """Return how long that many steps take, as text."""
        return span(self.seconds_left(steps)) if steps and self.took else ""

    def forecast(self, steps: int, least: float, device: str) -> None:
        """Print before the first step how long the steps take, unless that is short.

        `least`: seconds at the speed of a matrix product, of which trainings usually reach a third.
        """
        if least * 3 > LONG:
            about = f"at least {span(least)}, usually about {span(3 * least)}"
            say(f"{steps} steps take {about} at the speed of {device}; two steps will show more")

    def expect(self, steps: int, device: str) -> None:
        """Print once how long the remaining steps take, as soon as their speed is known, unless it is short."""
        is_known = len(self.took) > 1 or (self.took and self.took[0] > SLOW_STEP)
        if is_known and not self.expected:
            self.expected = True
            if self.seconds_left(steps) > LONG:
                say(f"about {self.left(steps)} for the remaining {steps} steps on {device}")


def progress(row: dict[str, Any], total: int, left: str, wide: int = 999) -> str:
    """Return a row of the log as text of at most `wide` columns, the most important numbers first."""
    if "loss" not in row:
        rest = (f"{k} {v:.4g}" if type(v) is float else f"{k} {v}" for k, v in row.items())
        return "  ".join(rest)
    words = ["step {step}/{total}", "loss {loss:.4g}", "held-out {eval_loss:.4g}"]
    words += ["{tokens_per_s:,} tokens/s", "{left} left", "rate {rate}", "gradient {grad_norm:.3g}"]
    values = {**row, "total": total, "rate": short(row["lr"]), **({"left": left} if left else {})}
    parts = []
    for template in (*words, "memory {memory_gib:.2f} GiB"):
        with contextlib.suppress(KeyError):
            parts.append(template.format(**values))
    while len("  ".join(parts)) > wide and len(parts) > 1:
        parts.pop()
    return "  ".join(parts)


def last_words(log: Path) -> str:
    """Return the end of the last line of a log; of a progress bar the percentage, of a warning nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 400))
            text = file.read().decode("utf-8", "replace").replace("\r", "\n").rstrip()
    except OSError:
        return ""
    last = "".join(c for c in text.rpartition("\n")[2] if c.isprintable())
    if bar := re.search(r"\d+%(?=\|)", last):
        return bar[0]
    return "" if "Warning" in last or last.startswith("  ") else last


LIVE = Live()
