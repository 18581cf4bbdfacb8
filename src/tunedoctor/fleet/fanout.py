"""Ask several nodes in parallel, and pass on the replies as they arrive; if doctor is stopped, all of them end."""

import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.reply import Reply
from tunedoctor.system import child, descendants
from tunedoctor.system.programs import find_program

Put = Callable[[Reply], None]
"""Takes a reply as soon as it exists, from any thread."""


def replies(asking: Sequence[Callable[[Put], None]], at_once: int) -> Generator[Reply]:
    """Yield the replies as they arrive."""
    came = SimpleQueue[Reply | Future[None]]()
    with ThreadPoolExecutor(max(1, min(at_once, len(asking)))) as pool:
        try:
            for ask in asking:
                pool.submit(ask, came.put).add_done_callback(came.put)
            for _ in asking:
                while isinstance(reply := came.get(), Reply):
                    yield reply
                reply.result()
        except BaseException:
            with descendants.closed("scancel"):  # waiting threads clean up
                pool.shutdown(cancel_futures=True)
            raise


def expect(program: str) -> None:
    """Raise ValueError if a program is not on PATH."""
    if not find_program(program, os.environ):
        raise ValueError(
            f"there is no command `{program}` on PATH; run this on a machine that has it"
        )


def checked(form: re.Pattern[str], text: str, what: str) -> str:
    """Return a text that has the expected form. Raises ValueError: it "is not a host name"."""
    if not form.fullmatch(text):
        raise ValueError(f"{plain(text)!r} {what}")
    return text


def program_output(*argv: str, stdin: bytes = b"") -> str:
    """Return the output of a cluster's program. Raises ValueError with the reason if it fails."""
    expect(argv[0])
    completed = child.run(argv, timeout=60.0, stdin=stdin, limit=child.FLOOD)
    if not completed.ok:
        raise ValueError(f"{argv[0]}: {plain(completed.err[-300:], 300) or completed.death}")
    return completed.out


def items_of(*argv: str) -> list[Any]:
    """Return kubectl's list. Raises ValueError if the answer is something else."""
    answer = json.loads(program_output(*argv))
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        msg = f"the answer of {argv[0]} is not a list"
        raise ValueError(msg)  # noqa: TRY004  as all that it can say wrong
    return items


def readiness(node: Any) -> dict[str, str]:  # noqa: ANN401  any JSON
    """Return the condition by which Kubernetes says whether a node is ready; empty if there is none."""
    conditions = node["status"].get("conditions", ())
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def rows_of(form: str, *words: str) -> Iterator[list[str]]:
    """Yield sinfo's fields for each node; the reason comes last, because it can contain bars and line ends."""
    bars = form.count("|")
    for row in program_output("sinfo", "-hN", f"-o{form}", *words).split("\n"):
        if row.count("|") >= bars:
            yield row.split("|", bars)
