"""Show live progress on stderr, if that is a terminal, for work that takes longer than 300 ms."""

import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tunedoctor.facts.clean import clean_text
from tunedoctor.model.wording import listed

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 0.3


class Spinner:
    """The state of the progress display; updates count even before it appears."""

    def __init__(self, verb: str) -> None:
        """Start with an empty state; `verb` is printed before the names that `watch` gets."""
        self.total = 0
        """Bytes to read in total; 0 if unknown, or if nothing is read."""
        self.read = 0
        self.ended = threading.Event()
        self._verb = verb
        self._stages = [""]
        """The stages that have ended, and the one that runs."""
        self._lock = threading.Lock()
        self._live: Progress | None = None

    def watch(self, names: list[str]) -> None:
        """Take the names of what runs now."""
        self._stages[-1] = clean_text(f"{self._verb} {listed(names, 3)}".strip())

    def came(self, size: int) -> None:
        """Take the bytes that were read since."""
        self.read += size

    def step(self, names: list[str]) -> None:
        """Take the stage that runs now, or how far it is; the stages before it stay on the screen."""
        text = clean_text(names[0])
        if not text.startswith(self._stages[-1].partition(",")[0]):
            self._stages.append("")
        self._stages[-1] = text

    def say(self, text: str) -> None:
        """Write to stdout what stays above that which is live."""
        with self._lock:
            if self._live:
                self._live.stop()
            sys.stdout.write(text)
            sys.stdout.flush()
            if self._live:
                self._live.start()

    def turn(self) -> None:
        """Show what runs until all has ended."""
        if self.ended.wait(PATIENCE):
            return
        from rich import progress as rich  # noqa: PLC0415  what is quick does without Rich
        from rich.console import Console  # noqa: PLC0415

        rate = (
            *(rich.BarColumn(20), rich.TaskProgressColumn(), rich.DownloadColumn()),
            *(rich.TransferSpeedColumn(), rich.TimeRemainingColumn()),
        )
        unicode = "utf" in (sys.stderr.encoding or "").lower()
        live = rich.Progress(
            rich.SpinnerColumn("line", finished_text="[green]✓" if unicode else "."),
            rich.TextColumn("{task.description}", markup=False),
            *(rate if self.total else (rich.TimeElapsedColumn(),)),
            # not the doctor's own stream, which lets no cursor move; the words are clean
            console=Console(file=sys.__stderr__),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self._lock:
            live.start()
            self._live = live
        while not self.ended.wait(0.1):
            if any(self._stages):
                with self._lock:
                    self._show(live)
        with self._lock:
            live.stop()
            self._live = None

    def _show(self, live: "Progress") -> None:
        for number, stage in enumerate(self._stages):
            if number >= len(live.tasks):
                live.add_task("", total=self.total or None)
            live.update(live.task_ids[number], description=stage, completed=self.read)
            if number < len(self._stages) - 1 and not live.tasks[number].finished:
                live.update(live.task_ids[number], total=1, completed=1)
        live.refresh()


@contextmanager
def spinner(verb: str = "") -> Generator[Spinner]:
    """Show what the block does, where stderr is a terminal that can."""
    animation = Spinner(verb)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield animation
        return
    thread = threading.Thread(target=animation.turn, daemon=True)
    thread.start()
    try:
        yield animation
    finally:
        animation.ended.set()
        thread.join(1.0)
