"""What a person sees while the trainer works: a curve on a terminal, lines elsewhere; libraries speak to a file."""

from __future__ import annotations

import contextlib
import os
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
"""Lines or columns of a terminal that has no room for a curve; lines and columns of one."""
OFTEN = 0.1
"""Seconds from one picture to the next."""


def hush(config: Config) -> None:
    """Lead what libraries print to OUT/train.log; what the trainer says, and tracebacks, stay on the screen."""
    if "out" in SCREEN or not config.out:
        return
    path = Path(config.out, LOG)
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
    """Show a traceback, and keep it in the log."""
    LIVE.wait()
    text = "".join(traceback.format_exception(*error))
    tell(text.rstrip(), "err")
    print(text, file=sys.stderr, flush=True)


def endings() -> list[int]:
    """Return the signals that end a training; nohup has it outlive its terminal."""
    is_ignored = CLOSED == 0 or signal.getsignal(CLOSED) == signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *[CLOSED] * (not is_ignored)]


def until_it_trains(config: Config, what: str) -> None:
    """Have Ctrl-C, SIGTERM and SIGHUP end the process at once, without what was half written."""

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
    """What changes in place on a terminal that can; elsewhere there is a line for each row of the log."""

    def __init__(self) -> None:
        """Begin with nothing shown."""
        self.shown, self.lock, self.ended = 0, threading.RLock(), threading.Event()
        self.thread: Any = None
        self.began = self.drawn = 0.0
        self.took: Any = deque(maxlen=20)
        self.seen: list[tuple[int, float]] = []
        SCREEN.update(wipe=self.wipe, close=self.wait)

    @property
    def stream(self) -> Any:
        """What the trainer speaks to."""
        return SCREEN.get("out") or sys.stdout

    @property
    def on(self) -> bool:
        """Tell whether that is a terminal on which lines can be written over."""
        can = RANK == 0 and os.name == "posix" and os.environ.get("TERM") not in (None, "dumb")
        return can and bool(self.stream) and bool(self.stream.isatty())

    def size(self) -> Any:
        """Return columns and lines of the terminal, to which the standard streams may not lead any more."""
        wide = high = 0
        with contextlib.suppress(AttributeError, OSError, ValueError):
            wide, high = os.get_terminal_size(self.stream.fileno())
        return os.terminal_size((wide or 80, high or 24))  # some know none

    def wipe(self) -> None:
        """Clear what is shown."""
        with self.lock:
            if self.shown:
                print(f"\x1b[{self.shown}F\x1b[J", end="", file=self.stream, flush=True)
            self.shown = 0

    def hear(self, signals: list[int]) -> None:
        """Have Ctrl-C, SIGTERM and SIGHUP noted, and answered at once; what is shown stays above."""

        def heard(number: int, _: Any) -> None:
            signals.append(number)
            if number == CLOSED:  # the log hears the rest
                SCREEN.update(out=None, err=None)
            if RANK == 0 and self.stream:
                self.shown = 0
                os.write(self.stream.fileno(), b"stopping when this step is taken and saved\n")

        for number in endings():
            signal.signal(number, heard)

    def show(self, lines: list[str]) -> None:
        """Show lines in the place of those before."""
        with self.lock:
            wide = self.size().columns - 1
            if "utf" not in (self.stream.encoding or "").lower():
                lines = [line.translate(PLAIN) for line in lines]
            text = "".join(f"{line[:wide]}\x1b[K\n" for line in lines)
            head = f"\x1b[{self.shown}F" if self.shown else ""
            print(f"{head}{text}\x1b[J", end="", file=self.stream, flush=True)
            self.shown = len(lines)

    def wait(self, what: str = "", out: str = "") -> None:
        """Show what is waited for, and what the libraries said of it last, until the next wait."""
        self.ended.set()
        if self.thread is not None:
            self.thread.join(1.0)
        self.wipe()
        self.ended, began = threading.Event(), time.monotonic()

        def turn(ended: Any) -> None:
            while not ended.wait(0.25):
                said = last_words(Path(out, LOG)) if out else ""
                self.show([f"{what}  {time.monotonic() - began:.0f} s  {said}"])

        self.thread = None
        if what and self.on:
            self.thread = threading.Thread(target=turn, args=(self.ended,), daemon=True)
            self.thread.start()

    def step(self, row: dict[str, Any], log: list[dict[str, Any]], total: int) -> None:
        """Show how far a training is."""
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
        """Let what is shown stand."""
        self.shown = 0

    def left(self, steps: int) -> str:
        """Return how long so many steps take."""
        some = list(self.took)[1:] or list(self.took)
        seconds = steps * sum(some) / max(1, len(some))
        return span(seconds) if steps and some else ""


def progress(row: dict[str, Any], total: int, left: str, wide: int = 999) -> str:
    """Return a row of the log in words, what matters most first, and no more than there is room for."""
    if "loss" not in row:
        rest = (f"{k} {v:.4g}" if type(v) is float else f"{k} {v}" for k, v in row.items())
        return "  ".join(rest)
    words = ["step {step}/{total}", "loss {loss:.4g}", "held-out {eval_loss:.4g}"]
    words += ["{tokens_per_s:,} tokens/s", "{left} left", "rate {rate}", "gradient {grad_norm:.3g}"]
    told = {**row, "total": total, "rate": short(row["lr"]), **({"left": left} if left else {})}
    parts = []
    for one in (*words, "memory {memory_gib:.2f} GiB"):
        with contextlib.suppress(KeyError):
            parts.append(one.format(**told))
    while len("  ".join(parts)) > wide and len(parts) > 1:
        parts.pop()
    return "  ".join(parts)


def last_words(log: Path) -> str:
    """Return the end of the last line of a log, as a bar that is drawn over again leaves it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 400))
            text = file.read().decode("utf-8", "replace").replace("\r", "\n").rstrip()
    except OSError:
        return ""
    return "".join(c for c in text.rpartition("\n")[2] if c.isprintable())


LIVE = Live()
