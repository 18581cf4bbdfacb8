"""What a check is and what it returns: a finding, and its cure, steps as data.

The line for a shell is printed from the steps alone. `doctor check` prints them, `doctor fix` carries them out, so the
two say one thing; nothing reads a command back.
"""

import re
import shlex
from collections.abc import Callable
from typing import Literal, TypedDict

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import Host, Interpreter, Unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import normalised

Who = Literal["user", "root", "reboot"]
"""Who carries it out: root can be an administrator; reboot: root, and the machine starts anew."""


class CureStep(msgspec.Struct, frozen=True, tag_field="step"):
    """One thing to do."""


class PipStep(CureStep, frozen=True, kw_only=True):
    """What pip of the target does, or uv."""

    pip: str = "python -m pip"
    """How it is started, as a shell takes it, or "uv pip"."""
    python: str = ""
    """The target's interpreter, as a shell takes it, where uv is to be told."""

    def line(self, verb: str, *words: str) -> str:
        """Return the line for a shell."""
        there = ("--python", self.python) if self.python else ()
        return " ".join((self.pip, verb, *there, *words))


class PipInstall(PipStep, frozen=True, kw_only=True, tag="install"):
    """Install with pip."""

    requirements: tuple[str, ...]
    """As a requirements file has them: "torch==2.9.1+cu126", "numpy<2"."""
    index: str = ""
    """URL of the one index; "" for those of the user's settings."""
    flags: tuple[str, ...] = ()
    """Other options: "--upgrade"."""

    @property
    def anew(self) -> bool:
        """What is there in that version is put in once more."""
        return "--force-reinstall" in self.flags


class PipUninstall(PipStep, frozen=True, kw_only=True, tag="remove"):
    """Uninstall packages with pip."""

    names: tuple[str, ...]


class Variable(CureStep, frozen=True, kw_only=True, tag="setenv"):
    """Set or unset an environment variable."""

    name: str
    value: str | None
    """None: it is to be unset."""


class Command(CureStep, frozen=True, kw_only=True, tag="tell"):
    """A shell command for the user to run; doctor never runs it."""

    command: str


class Advice(CureStep, frozen=True, kw_only=True, tag="advice"):
    """Something to do that is not a command, such as using a smaller model or replacing a power supply."""

    text: str


AnyCureStep = PipInstall | PipUninstall | Variable | Command | Advice


class Cure(msgspec.Struct, frozen=True):
    """What cures a finding; one without steps is false."""

    steps: tuple[AnyCureStep, ...] = ()
    who: Who = "user"
    windows: bool = False
    """It is printed for PowerShell, else for a POSIX shell."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.steps)

    @property
    def kind(self) -> Literal["command", "advice"]:
        """Tell what a shell takes from what is for people alone."""
        return "advice" if all(isinstance(step, Advice) for step in self.steps) else "command"

    @property
    def command(self) -> str:
        """Return it as one line for the shell, PowerShell: a line a step; of advice the text."""
        joiner = "\n" if self.windows else " && "
        return joiner.join(_line(step, windows=self.windows) for step in self.steps)

    @property
    def ours(self) -> bool:
        """Tell whether the doctor could do a part of it: the rest is for people."""
        return not all(isinstance(step, (Command, Advice)) for step in self.steps)

    @property
    def pip(self) -> tuple[PipInstall | PipUninstall, ...]:
        """Return its steps where pip does all of it; () where something else does a part."""
        steps = tuple(s for s in self.steps if isinstance(s, (PipInstall, PipUninstall)))
        return steps if len(steps) == len(self.steps) else ()

    @property
    def installs(self) -> tuple[PipInstall, ...]:
        """Return what pip installs, where pip does all of it."""
        return tuple(s for s in self.pip if isinstance(s, PipInstall))

    def with_flag(self, flag: str) -> "Cure":
        """Return it with one more option of `pip install`."""
        steps = (
            replace(step, flags=(*step.flags, flag)) if isinstance(step, PipInstall) else step
            for step in self.steps
        )
        return replace(self, steps=tuple(steps))

    def then(self, other: "Cure") -> "Cure":
        """Return this cure, and after it the other."""
        return replace(self, steps=(*self.steps, *other.steps))


def tell(command: str, who: Who | None = None) -> Cure:
    """Return a command that is the user's to run; one with sudo is root's."""
    needs_root: Who = "root" if "sudo " in command else "user"
    return Cure((Command(command=command),), who or needs_root)


def advise(text: str, who: Who = "user") -> Cure:
    """Return what no command does."""
    return Cure((Advice(text=text),), who)


def python(interpreter: Interpreter | Unknown | None) -> str:
    """Return the target's interpreter as a shell takes it; "python" where a report names none."""
    named = interpreter.executable if isinstance(interpreter, Interpreter) else ""
    return shlex.quote(named or "python")


class Starter(TypedDict, total=False):
    """How a step of pip is started."""

    pip: str
    python: str


def starter(interpreter: Interpreter | Unknown | None, own: str = "") -> Starter:
    """Return how a step is started: by the target's pip (`own`, where a shell takes it otherwise), else by uv."""
    path = python(interpreter)
    if isinstance(interpreter, Interpreter) and interpreter.pip is False:
        return {"pip": "uv pip", "python": path}
    return {"pip": own or f"{path} -m pip"}


def pip_line(interpreter: Interpreter | Unknown | None, verb: str) -> str:
    """Return how a command of pip starts for the target: "… -m pip check"."""
    return PipStep(**starter(interpreter)).line(verb)


def pip(
    interpreter: Interpreter | Unknown | None,
    verb: Literal["install", "uninstall"],
    *arguments: str,
    index: str = "",
) -> Cure:
    """Return a pip command for the target: requirements, options without value; what compiles is the user's to run."""
    flags = tuple(a for a in arguments if a.startswith("-"))
    named = tuple(a for a in arguments if not a.startswith("-"))
    by = starter(interpreter)
    if verb == "uninstall":
        return Cure((PipUninstall(names=named, **by),))
    cure = Cure((PipInstall(requirements=named, index=index, flags=flags, **by),))
    return tell(cure.command) if "--no-build-isolation" in flags else cure


def set_variable(host: Host | Unknown | None, name: str, value: str | None) -> Cure:
    """Return how a variable is set, or taken away for None: in bash and zsh, on Windows in PowerShell."""
    windows = isinstance(host, Host) and host.os == "windows"
    return Cure((Variable(name=name, value=value),), windows=windows)


def quoted(requirement: str) -> str:
    """Quote a requirement as POSIX shells, PowerShell and cmd all take it."""
    return requirement if re.fullmatch(r"[\w.+=-]+", requirement) else f'"{requirement}"'


def _line(step: AnyCureStep, *, windows: bool) -> str:
    match step:
        case PipInstall():
            source = ("--index-url", step.index) if step.index else ()
            return step.line("install", *step.flags, *map(quoted, step.requirements), *source)
        case PipUninstall():
            sure = () if step.python else ("--yes",)  # uv does not ask
            return step.line("uninstall", *sure, *step.names)
        case Variable(name=name, value=None):
            return f"Remove-Item Env:{name}" if windows else f"unset {name}"
        case Variable(name=name, value=str(value)):
            return f"$env:{name} = '{value}'" if windows else f"export {name}={shlex.quote(value)}"
        case Command():
            return step.command
        case _:
            return step.text  # type: ignore[union-attr]


_PARTS = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*([<>=!~][^;@]*)?")


def parted(requirement: str) -> tuple[str, str]:
    """Return ("transformers", ">=4.56") of "transformers>=4.56"; ("", "") of what has more to it."""
    found = _PARTS.fullmatch(requirement)
    return (normalised(found[1]), found[2] or "") if found else ("", "")


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    found = _PARTS.match(requirement)
    return normalised(found[1]) if found else ""


def exact(requirement: str) -> tuple[str, str] | None:
    """Return ("torch", "2.9.1+cu126") of "torch==2.9.1+cu126"; None where it allows several versions."""
    name, specifier = parted(requirement)
    version = specifier.removeprefix("==")
    return (name, version) if version != specifier and not {*", *"} & {*version} else None


Body = Callable[..., "Result"]
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LONGEST_TITLE = 60


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in the four parts that `docs/architecture.md` asks for.

    `found`: facts with numbers and places. `means`: what goes wrong in training. `cure`: what to do, as
    steps. `cure_note`: who does it, what it costs (size, reboot, root). `evidence`: where the facts were read.
    `title`, `severity`, `means` and `cure_note` are those of the check's file where they are left out.
    """

    found: str
    cure: Cure
    means: str = ""
    cure_note: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None
    title: str = ""
    said: str = ""
    """The error of the run that the check goes by, as it was printed; "" where facts alone tell. It ranks."""
    certain: bool = False
    """Proved by what releases hold: nothing that the words of a text resemble outweighs it."""
    settle: str = ""
    """Where the facts leave other causes open: the command whose answer settles it. Then no error is claimed."""

    def saying(self, said: str) -> "Finding":
        """Return the same finding, which goes by this error of the run."""
        return replace(self, said=said)

    def proved(self) -> "Finding":
        """Return the same finding, which no resemblance of the text outweighs."""
        return replace(self, certain=True)

    def told_by(self, check: "Check") -> "Finding":
        """Return the same finding; what it leaves out is as its check says, and so is the title of a longer one."""
        return replace(
            self,
            title=self.title if len(self.title) <= LONGEST_TITLE else "",
            means=self.means or check.means,
            cure_note=self.cure_note or check.cure_note,
            evidence=tuple(filter(None, self.evidence)),
        )


Result = Finding | Unknown | None
"""What a check returns: None where all is well, Unknown where the facts do not tell."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check as the registry holds it."""

    id: str
    title: str = ""
    severity: Severity = "error"
    explains: tuple[str, ...] = ()
    """Ids of findings that follow from this one."""
    clears: tuple[str, ...] = ()
    """Ids of causes that are not suspected where this is found."""
    advice: bool = False
    run: Callable[..., Result]
    origin: str
    """The module it stands in; of one without code its file, checks/NAME.toml."""
    means: str = ""
    cure_note: str = ""
    page: str = ""
    """The manual page; of one built in the table of pages holds it."""
    group: str = ""
    """What it is about: "driver", "data" …"""
    settle: str = "doctor check"
    """What to run where it is only suspected: the answer tells."""
    by_words: bool = False
    """It has no code: what errors say is all that tells of it, so a text without it tells nothing either way."""


def check(
    id: str,  # noqa: A002  the word that users see
    title: str = "",
    severity: Severity = "error",
    *,
    explains: tuple[str, ...] | list[str] = (),
    advice: bool = False,
) -> Callable[[Body], Body]:
    """Mark a pure function as a check; its parameters name the facts that it needs.

    It returns a Finding, None where all is well, or Unknown(why) where the facts do not tell. What is said of it
    stands in NAME.toml beside it; a plug-in of one module says it here, and has its page as the docstring.
    """

    def mark(function: Body) -> Body:
        function.tunedoctor_check = Check(  # type: ignore[attr-defined]
            id=id,
            title=title,
            severity=severity,
            explains=tuple(explains),
            advice=advice,
            run=function,
            page=function.__globals__["__doc__"] or "",
            origin=function.__module__,
        )
        return function

    return mark
