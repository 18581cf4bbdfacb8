"""The options that check and triage share, together with the user's settings."""

import math
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from tunedoctor.diagnosis import gate as gates
from tunedoctor.diagnosis.gate import Gate, ProfileName
from tunedoctor.diagnosis.registry import RegistryError, all_checks, all_fixes
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.findings import Check, Severity
from tunedoctor.model.wording import near
from tunedoctor.tables.config import (
    FILES,
    Config,
    ConfigError,
    FailOn,
    Ignore,
    OnUnknown,
    Rule,
    Settings,
    mirrors,
    read_config,
)

if TYPE_CHECKING:
    from tunedoctor.model.plan import Fix
import shlex

from tunedoctor.cli.progress import spinner
from tunedoctor.facts import Target
from tunedoctor.facts.target import FOUND, MOST_NAMED, ONLY, OWN, makes
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.places import folders, owned
from tunedoctor.probes.targeting import doubt, here
from tunedoctor.system.programs import PASSED_OVER

T = TypeVar("T")
_LIST = "doctor list names what is installed"
_SETTING = "[tool.doctor] target"


class MisuseError(SystemExit):
    """What is wrong with the input, and how to go on: `run` of app.py says it on stderr, and the status is 2."""

    def __init__(self, said: str) -> None:
        super().__init__(2)
        self.said = said
        """A line with its end."""


class Options(NamedTuple):
    """What the command line and the settings say."""

    format: str
    only: tuple[str, ...]
    skip: tuple[str, ...]
    fail_on: FailOn
    plugins: tuple[str, ...]
    verbose: bool
    quiet: bool
    strict: bool
    unknown: OnUnknown = "warn"
    profile: ProfileName = "project"
    outputs: tuple[tuple[str, str], ...] = ()
    """Format and file of each further output."""
    rules: tuple[Rule, ...] = ()
    """The policy."""
    ignore: tuple[Ignore, ...] = ()
    file: str = ""
    """Where policy and settings stand."""
    settled: tuple[str, ...] = ()
    """The checks that the settings name."""
    known: tuple[tuple[str, Severity], ...] = ()
    """The baseline: fingerprint and severity."""
    shared: bool = False
    """The answer is to be given away: this machine's own name is hidden too."""
    here: bool = True
    """It is about this machine, so that its other commands are the next step."""
    require_environment: bool = False
    """A missing Python environment leaves the verdict open."""

    @classmethod
    def of(cls, given: Struct | None = None, held: Settings | None = None) -> "Options":
        """Put options over settings, where none are named those of the working folder; exits with 2 on misuse."""
        said = asdict(given) if given else dict[str, Any]()
        held = held or settings(said.get("config"))
        config, only = held.config, tuple(map(str, said.get("only") or []))
        strict = said.get("strict", False) or config.strict
        fail_on = said.get("fail_on") or config.fail_on
        return cls(
            format=said.get("format") or "terminal",
            only=only or config.only,
            skip=(*(one for one in config.skip if one not in only), *said.get("skip", ())),
            fail_on="warning" if strict and fail_on == "error" else fail_on,
            plugins=(*config.plugins, *said.get("plugin", ())),
            verbose=said.get("verbose", False),
            quiet=said.get("quiet", False),
            strict=strict,
            unknown="fail" if strict else config.unknown,
            profile=said.get("profile") or "project",
            rules=held.rules,
            ignore=config.ignore,
            file=held.file,
            settled=(*config.only, *config.skip, *(one.id for one in config.ignore)),
            here=said.get("source") is None,
            require_environment=bool(said.get("require_environment"))
            or ("profile" in said.get("typed", ()) and said.get("profile") == "project"),
        )

    def checks(self) -> tuple[Check, ...]:
        """Return the checks that are wanted; exits with 2 on an unknown id."""
        with refusing(RegistryError, _LIST):
            checks = all_checks(self.plugins)
        if self.rules:
            from tunedoctor.diagnosis.policy import policy_checks  # noqa: PLC0415  few have any

            checks = (*checks, *policy_checks(self.rules, self.file))
        ids = {one.id for one in checks}
        for id_ in (*self.only, *self.skip, *(one.id for one in self.ignore)):
            if id_ not in ids:
                place = f"{self.file}: " if id_ in self.settled else ""
                what = f"{place}no check is called {id_!r}{near(id_, ids)}"
                misuse(what, "doctor explain --list names all")
        some = (c for c in checks if not self.only or c.id in self.only)
        left = gates.wanted((c for c in some if c.id not in self.skip), self.profile)
        if not left:
            misuse(f"no check is left for --profile {self.profile}", "leave out --only and --skip")
        return left

    def without_policy(self) -> "Options":
        """Return the options for other machines than those that the policy is about."""
        ids = {one.id for one in self.rules}
        only, skip = (tuple(x for x in some if x not in ids) for some in (self.only, self.skip))
        ignore = tuple(one for one in self.ignore if one.id not in ids)
        return self._replace(rules=(), only=only, skip=skip, ignore=ignore)

    @property
    def partial(self) -> bool:
        """Whether checks are left out, so that the answer proves nothing as a whole."""
        return bool(self.only or self.skip)

    def expired(self) -> tuple[Ignore, ...]:
        """Return the entries whose last day is over, where no other has prolonged them."""
        return tuple(one for one in self.ignore if one.id not in self.gate().ignored)

    def gate(self) -> Gate:
        """Return what counts for the verdict."""
        today = datetime.now(UTC).date()
        left = (one for one in self.ignore if one.until >= today)
        ignored = {one.id: f"ignored until {one.until}: {one.reason}" for one in left}
        policy = self.file if self.rules else ""
        waits = {one.id: one.said for one in self.rules if one.row.of == "machine"}
        known = dict(self.known)
        return Gate(
            fail_on=self.fail_on,
            unknown=self.unknown,
            profile=self.profile,
            ignored=ignored,
            known=known,
            require_environment=self.require_environment,
            policy=policy,
            waits=waits,
        )

    def fixes(self) -> "tuple[Fix, ...]":
        """Return all fixes; exits with 2 where a plug-in can't be used."""
        with refusing(RegistryError, _LIST):
            return all_fixes(self.plugins)


def values_of(kind: type[T], given: Struct) -> T:
    """Return a struct whose fields have the names of options."""
    names = kind.__annotations__
    return kind(**{name: value for name, value in asdict(given).items() if name in names})


def settings(named: str | None = None) -> Settings:
    """Return the settings of a file, else of the project; exits with 2 where they can't be understood."""
    with refusing(ConfigError, "doctor explain policy shows the keys"):
        mirrors()  # what can't be understood is told before any work
        held = read_config(named, _project_files())
    if held.doubt:
        _warn(held.doubt)
    return held


@cache
def _warn(said: str) -> None:
    sys.stderr.write(f"doctor: {said}\n")  # once, though settings are read for the target too


def _project_files() -> Iterator[str]:
    """Yield the files that can hold settings, of the working folder first, as it would name them.

    Then those of its project: up to the root of the git repository, else to the nearest folder that is a project's.
    """
    yield from FILES
    try:
        (here, names), *above = folders(os.environ, os.getcwd())  # noqa: PTH109  a string, as those are
    except OSError:
        return  # it is gone
    if not any(".git" in there for _, there in above):
        above = [] if names & {*FILES} else above[:1]
    for folder, there in above:
        places = (os.path.join(folder, name) for name in FILES if name in there)  # noqa: PTH118
        yield from (os.path.relpath(one, here) for one in places if owned(one))


def misuse(what: str, way_out: str) -> NoReturn:
    """Exit with 2, saying what is wrong with the input and how to go on; a log can hold it, so no secret does."""
    from tunedoctor.diagnosis.redaction import without_secrets  # noqa: PLC0415  only on a mistake

    said = " ".join(clean_text(f"doctor: {what[:2000]}; {way_out}").splitlines())
    raise MisuseError(f"{without_secrets(said)}\n")


@contextmanager
def refusing(
    kinds: type[Exception] | tuple[type[Exception], ...], way_out: str, what: str = ""
) -> Generator[None]:
    """Exit with 2 where the block raises one of `kinds`; `what` stands before its words."""
    try:
        yield
    except kinds as error:
        misuse(f"{what}{getattr(error, 'strerror', None) or error}", way_out)


def aim(target: str | None, *, own: bool, config: str | None = None) -> Target:
    """Return what --target or --self name, else the setting of the folder, the active environment, or what is found.

    `config`: the file of settings, where it isn't the folder's. Exits with 2 on misuse. Where none is sure, the
    target's `chosen_by` is "none".
    """
    if own and target is not None:
        misuse("--self is the doctor's own environment", "leave out --self or --target")
    if own:
        return here(sys.executable, "--self")
    held = settings(config) if target is None else Settings(Config())
    # a path in a file that was found is of that file's folder; in one that was named, of the working folder
    below = "" if config else os.path.dirname(held.file)  # noqa: PTH120
    return here(held.config.target, _SETTING, below) if held.config.target else here(target)


def typed(place: Target, target: str | None) -> str | None:
    """Return what --target would name it by, for other commands; None where they find it by themselves."""
    return target or (place.asked if place.chosen_by in ("--self", _SETTING, *FOUND) else None)


def named(place: Target, target: str | None) -> str:
    """Return the option that names it to another command; "" where that finds it by itself."""
    path = typed(place, target)
    return f" --target {shlex.quote(path)}" if path else ""


def needed(place: Target) -> Target:
    """Return an environment that was chosen; exits with 2 where there is none."""
    if place.chosen_by == "none":
        named = [f"{shlex.quote(one.path)} ({one.holds})" for one in place.nearby[:MOST_NAMED]]
        named += ["more by doctor envs"] if len(place.nearby) > MOST_NAMED else []
        if named:
            misuse(f"several could be meant: {', '.join(named)}", "--target PATH names one")
        own = f", {place.own}," if place.own else ""
        misuse(
            f"no environment was found, and the doctor's own{own} is left alone",
            f"{makes(place.own)} makes one, --target PATH names another, --self means the doctor's own",
        )
    return place


def to_change(place: Target, *, asks: bool, words: str) -> Target:
    """Return an environment that may be changed: what was only found is changed after a question, or once it is named.

    Exits with 2 where it may not; `words` is the command.
    """
    if needed(place).chosen_by in (ONLY, OWN) and not asks:
        misuse(
            f"{place.asked} is {place.chosen_by}, and --yes changes only an environment that is named",
            f"name it: {words} --target {shlex.quote(place.asked)}",
        )
    return place


def starting(place: Target, *, quiet: bool = False, does: str = "starts") -> Target:
    """Say which interpreter is about to be started, or its environment changed, and by what it was chosen."""
    if why := doubt(place):
        what = f"{place.python}, chosen by {place.chosen_by}, {why}"
        _may_start_or_exit(what, f"--target {shlex.quote(place.python)} starts it")
    if place.python and not quiet:
        by = f"{'which is' if place.chosen_by in FOUND else 'chosen by'} {place.chosen_by}"
        sys.stderr.write(f"doctor: {does} {place.python}, {by}\n")
    return place


def _may_start_or_exit(what: str, way_out: str) -> None:
    """Ask before an interpreter is started that can have come with the folder; exits with 2 where nobody says yes."""
    from tunedoctor.cli.output import agreed  # noqa: PLC0415  it needs what stands here

    if not sys.stdin.isatty():
        misuse(what, way_out)
    if not agreed(f"doctor: {what}. Start it?", sys.stderr):
        misuse("not started", way_out)


def works(place: Target) -> Target:
    """Return an environment that was named and has an interpreter; exits with 2 where there is none."""
    if needed(place).problem:
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    return place


def look(place: Target, seconds: float = math.inf, **how: bool) -> Snapshot:
    """Take a snapshot, with what `live.take` may do; say what is being asked where that takes long."""
    from tunedoctor.probes.live import take  # noqa: PLC0415  with it come all probes

    PASSED_OVER.clear()
    with spinner("asking") as one:
        found = take(place, watch=one.watch, seconds=seconds, **how)
    for path, why in list(PASSED_OVER.items())[:3]:
        sys.stderr.write(f"doctor: {path} was not run: {why}\n")
    return found
