"""Say on stderr what is being asked, once it takes longer than 300 ms."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from tunedoctor.wording import listed

FRAMES = "|/-\\"
PATIENCE = 0.3


class Spinner:
    """What the spinner shows; `watch` takes the names of running probes."""

    def __init__(self) -> None:
        self.asking: list[str] = []
        self.done = threading.Event()

    def watch(self, names: list[str]) -> None:
        """Take the names of the probes that run now."""
        self.asking = names

    def turn(self) -> None:
        """Turn until done."""
        if self.done.wait(PATIENCE):
            return
        frame = 0
        began = time.monotonic() - PATIENCE
        while not self.done.wait(0.1):
            took = time.monotonic() - began
            text = f"{FRAMES[frame % 4]} asking: {listed(self.asking, 3)}  {took:.0f} s"
            sys.stderr.write(f"\r{text[:78]:<78}")
            sys.stderr.flush()
            frame += 1
        if frame:
            sys.stderr.write("\r" + " " * 78 + "\r")
            sys.stderr.flush()


@contextmanager
def spinner() -> Generator[Spinner]:
    """Spin while the block runs, where stderr is a terminal."""
    one = Spinner()
    if not sys.stderr.isatty():
        yield one
        return
    thread = threading.Thread(target=one.turn, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.done.set()
        thread.join(1.0)
