"""doctor fleet: many machines, asked by an engine that people run or read from files, judged and held together."""

from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module

from tunedoctor.cli.options import misuse
from tunedoctor.fleet.reply import EngineError, How, Reply

ENGINES = ("slurm", "ray", "kubernetes", "ssh")
"""Options, and modules of `fleet/` whose `collect` asks the nodes."""


def command(given: Namespace) -> int:
    """Judge many machines; returns the exit code."""
    for reply in _replies(given):
        print(reply.name, len(reply.snapshot), reply.problem)  # noqa: T201
    return 0


def _replies(given: Namespace) -> Iterator[Reply]:
    """Yield what each node sends, by the engine that is named; exits with 2 where none or several are."""
    named = [name for name in ENGINES if getattr(given, name) is not None]
    if len(named) + bool(given.files) != 1:
        what = f"{' and '.join(f'--{name}' for name in named)} are named" if named else "no machines are named"
        misuse(what, f"take one of --from, {', '.join(f'--{name}' for name in ENGINES)}")
    if given.files:
        return iter(())
    how = How(
        words=("snapshot", "--profile", given.profile or "node", "--keep-host", *["--smoke"] * given.smoke),
        doctor=given.doctor,
        seconds=given.timeout,
        at_once=given.at_once,
    )
    engine = import_module(f"tunedoctor.fleet.{named[0]}")
    return _asked(engine.collect(getattr(given, named[0]), how))


def _asked(replies: Iterator[Reply]) -> Iterator[Reply]:
    """Yield them; exits with 2 where the engine can't be asked."""
    try:
        yield from replies
    except EngineError as error:
        misuse(*error.args)
