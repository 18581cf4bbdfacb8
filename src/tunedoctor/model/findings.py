"""What a check is and what it returns: a finding, and its cure as data, step by step.

The shell line is generated from the steps. `doctor check` prints it and `doctor fix` carries the steps out, so the two
always agree; nothing parses a command back.
"""

import re
import shlex
from collections.abc import Callable
from typing import Literal, TypedDict

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import Fact, Host, Interpreter, Unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import normalised

Who = Literal["user", "root", "reboot"]
"""Who has to do it. root: an administrator; reboot: root, and the machine restarts."""


class CureStep(msgspec.Struct, frozen=True, tag_field="step"):
    """One thing to do."""


class PipStep(CureStep, frozen=True, kw_only=True):
    """A step that the target's pip, or uv, carries out."""

    pip: str = "python -m pip"
    """How pip is called in a shell, or "uv pip"."""
    python: str = ""
    """The target's interpreter, quoted for a shell, if uv has to be given it."""

    def line(self, verb: str, *words: str) -> str:
        """Return the shell command."""
        target_option = ("--python", self.python) if self.python else ()
        return " ".join((self.pip, verb, *target_option, *words))


class PipInstall(PipStep, frozen=True, kw_only=True, tag="install"):
    """Install with pip."""

    requirements: tuple[str, ...]
    """As in a requirements file: "torch==2.9.1+cu126", "numpy<2"."""
    index: str = ""
    """URL of the only index to use; "" for the indexes of the user's settings."""
    flags: tuple[str, ...] = ()
    """Other options, for example "--upgrade"."""

    @property
    def reinstalls(self) -> bool:
        """True if versions that are already installed are installed again."""
        return "--force-reinstall" in self.flags


class PipUninstall(PipStep, frozen=True, kw_only=True, tag="remove"):
    """Uninstall packages with pip."""

    names: tuple[str, ...]


class Variable(CureStep, frozen=True, kw_only=True, tag="setenv"):
    """Set or unset an environment variable."""

    name: str
    value: str | None
    """None: unset the variable."""


class Command(CureStep, frozen=True, kw_only=True, tag="tell"):
    """A shell command for the user to run; doctor never runs it."""

    command: str


class Advice(CureStep, frozen=True, kw_only=True, tag="advice"):
    """Something to do that is not a command, such as using a smaller model or replacing a power supply."""

    text: str


AnyCureStep = PipInstall | PipUninstall | Variable | Command | Advice


class Cure(msgspec.Struct, frozen=True):
    """The fix of a finding; without steps it is false."""

    steps: tuple[AnyCureStep, ...] = ()
    who: Who = "user"
    windows: bool = False
    """Print it for PowerShell instead of a POSIX shell."""

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.steps)

    @property
    def kind(self) -> Literal["command", "advice"]:
        """Return whether it is a command for a shell or advice for people only."""
        return "advice" if all(isinstance(step, Advice) for step in self.steps) else "command"

    @property
    def command(self) -> str:
        """Return it as one shell line (PowerShell: one line per step), or the text of the advice."""
        joiner = "\n" if self.windows else " && "
        return joiner.join(_line(step, windows=self.windows) for step in self.steps)

    @property
    def ours(self) -> bool:
        """Return whether doctor could carry out a part of it; the rest is for people."""
        return not all(isinstance(step, (Command, Advice)) for step in self.steps)

    @property
    def pip(self) -> tuple[PipInstall | PipUninstall, ...]:
        """Return its steps if pip can do all of them, else ()."""
        steps = tuple(s for s in self.steps if isinstance(s, (PipInstall, PipUninstall)))
        return steps if len(steps) == len(self.steps) else ()

    @property
    def installs(self) -> tuple[PipInstall, ...]:
        """Return what pip installs, if pip can do all the steps."""
        return tuple(s for s in self.pip if isinstance(s, PipInstall))

    def with_flag(self, flag: str) -> "Cure":
        """Return the cure with one more option for `pip install`."""
        steps = (
            replace(step, flags=(*step.flags, flag)) if isinstance(step, PipInstall) else step
            for step in self.steps
        )
        return replace(self, steps=tuple(steps))

    def then(self, other: "Cure") -> "Cure":
        """Return this cure followed by the other."""
        return replace(self, steps=(*self.steps, *other.steps))


def tell(command: str, who: Who | None = None) -> Cure:
    """Return a command for the user to run; a command with sudo is for root."""
    needs_root: Who = "root" if "sudo " in command else "user"
    return Cure((Command(command=command),), who or needs_root)


def advise(text: str, who: Who = "user") -> Cure:
    """Return advice that no command carries out."""
    return Cure((Advice(text=text),), who)


def python(interpreter: Interpreter | Unknown | None) -> str:
    """Return the target's interpreter, quoted for a shell; "python" if a report does not name it."""
    executable = interpreter.executable if isinstance(interpreter, Interpreter) else ""
    return shlex.quote(executable or "python")


class Starter(TypedDict, total=False):
    """The command words that start a pip step."""

    pip: str
    python: str


def starter(interpreter: Interpreter | Unknown | None, own: str = "") -> Starter:
    """Return how a step is started: by the target's pip (as `own`, if the shell needs another spelling), else by uv."""
    path = python(interpreter)
    if isinstance(interpreter, Interpreter) and interpreter.pip is False:
        return {"pip": "uv pip", "python": path}
    return {"pip": own or f"{path} -m pip"}


def pip_line(interpreter: Interpreter | Unknown | None, verb: str) -> str:
    """Return the start of a pip command for the target, such as "… -m pip check"."""
    return PipStep(**starter(interpreter)).line(verb)


def pip(
    interpreter: Interpreter | Unknown | None,
    verb: Literal["install", "uninstall"],
    *arguments: str,
    index: str = "",
) -> Cure:
    """Return a pip command for the target from requirements and flags; the user has to run anything that compiles."""
    flags = tuple(a for a in arguments if a.startswith("-"))
    requirements = tuple(a for a in arguments if not a.startswith("-"))
    start_words = starter(interpreter)
    if verb == "uninstall":
        return Cure((PipUninstall(names=requirements, **start_words),))
    cure = Cure((PipInstall(requirements=requirements, index=index, flags=flags, **start_words),))
    return tell(cure.command) if "--no-build-isolation" in flags else cure


def set_variable(host: Host | Unknown | None, name: str, value: str | None) -> Cure:
    """Return how to set a variable, or to unset it for None: for bash and zsh, on Windows for PowerShell."""
    windows = isinstance(host, Host) and host.os == "windows"
    return Cure((Variable(name=name, value=value),), windows=windows)


def quoted(requirement: str) -> str:
    """Quote a requirement so that POSIX shells, PowerShell and cmd all accept it."""
    return requirement if re.fullmatch(r"[\w.+=-]+", requirement) else f'"{requirement}"'


def _line(step: AnyCureStep, *, windows: bool) -> str:
    match step:
        case PipInstall():
            source = ("--index-url", step.index) if step.index else ()
            return step.line("install", *step.flags, *map(quoted, step.requirements), *source)
        case PipUninstall():
            confirmation = () if step.python else ("--yes",)  # uv does not ask
            return step.line("uninstall", *confirmation, *step.names)
        case Variable(name=name, value=None):
            return f"Remove-Item Env:{name}" if windows else f"unset {name}"
        case Variable(name=name, value=str(value)):
            return f"$env:{name} = '{value}'" if windows else f"export {name}={shlex.quote(value)}"
        case Command():
            return step.command
        case _:
            return step.text  # type: ignore[union-attr]


_PARTS = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*([<>=!~][^;@]*)?")


def split_requirement(requirement: str) -> tuple[str, str]:
    """Return ("transformers", ">=4.56") for "transformers>=4.56"; ("", "") if the requirement has more parts."""
    match = _PARTS.fullmatch(requirement)
    return (normalised(match[1]), match[2] or "") if match else ("", "")


def name_of(requirement: str) -> str:
    """Return the normalised name in a requirement."""
    match = _PARTS.match(requirement)
    return normalised(match[1]) if match else ""


def exact(requirement: str) -> tuple[str, str] | None:
    """Return ("torch", "2.9.1+cu126") for "torch==2.9.1+cu126"; None if several versions are allowed."""
    name, specifier = split_requirement(requirement)
    version = specifier.removeprefix("==")
    return (name, version) if version != specifier and not {*", *"} & {*version} else None


Body = Callable[..., "Result"]
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LONGEST_TITLE = 60


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in the four parts that `docs/architecture.md` describes.

    `found`: facts with numbers and paths. `means`: what goes wrong in training. `cure`: what to do, as
    steps. `cure_note`: who does it and what it costs (size, reboot, root). `evidence`: where the facts were read.
    `title`, `severity`, `means` and `cure_note` default to those in the check's file, `found` to the error that is
    `said`.
    """

    found: str = ""
    cure: Cure = Cure()
    means: str = ""
    cure_note: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None
    title: str = ""
    said: str = ""
    """The error of the run that the check relies on, as printed; "" if facts alone decide. It affects the ranking."""
    certain: bool = False
    """Proved by what releases contain, so that no resemblance of the text to another cause outweighs it."""
    settle: str = ""
    """Command that settles it, if the facts leave other causes possible. Then it does not count as an error."""

    def saying(self, said: str) -> "Finding":
        """Return the same finding, based on this error of the run."""
        return replace(self, said=said)

    def proved(self) -> "Finding":
        """Return the same finding, marked as certain: no resemblance of the text outweighs it."""
        return replace(self, certain=True)

    def told_by(self, check: "Check") -> "Finding":
        """Return the finding completed with its check's texts; a title that is too long is replaced by the check's."""
        return replace(
            self,
            title=self.title if len(self.title) <= LONGEST_TITLE else "",
            found=self.found or f"the error '{self.said}'",
            means=self.means or check.means,
            cure_note=self.cure_note or check.cure_note,
            evidence=tuple(filter(None, self.evidence)),
        )


Result = Finding | Unknown | None
"""What a check returns: None if all is well, Unknown if the facts do not decide it."""


System = Literal["windows", "wsl", "macos", "linux"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check, as the registry has it."""

    id: str
    title: str = ""
    severity: Severity = "error"
    explains: tuple[str, ...] = ()
    """Ids of findings that this one explains."""
    clears: tuple[str, ...] = ()
    """Ids of causes that are not suspected if this one is found."""
    advice: bool = False
    run: Callable[..., Result]
    uses: tuple[type[Fact], ...] = ()
    """Kinds of facts that `run` reads through its view of all facts, beside those of its parameters."""
    systems: tuple[System, ...] = ()
    """Systems that it is about; () for all."""
    origin: str
    """The module that defines it; for a check without code its file, checks/NAME.toml."""
    means: str = ""
    cure_note: str = ""
    page: str = ""
    """The manual page; "" for a built-in check, whose page is in the table of pages."""
    group: str = ""
    """The topic: "driver", "data" ..."""
    settle: str = "doctor check"
    """Command whose result settles it if it is only suspected."""
    by_words: bool = False
    """It has no code and is found only through error texts, so a text without them proves nothing either way."""


def check(  # noqa: PLR0913  what a plug-in of one module can say
    id: str,  # noqa: A002  the word that users see
    title: str = "",
    severity: Severity = "error",
    *,
    uses: tuple[type[Fact], ...] = (),
    systems: tuple[System, ...] = (),
    explains: tuple[str, ...] | list[str] = (),
    advice: bool = False,
) -> Callable[[Body], Body]:
    """Mark a pure function as a check; its parameters name the facts that it needs.

    `uses`: the facts that it reads through a parameter `facts: Facts`; it cannot read others.
    `systems`: the systems that it is about; on others it is skipped unless an error text shows its cause.

    It returns a Finding, None if all is well, or Unknown(why) if the facts do not decide it. Its texts are in
    NAME.toml next to it; a plug-in of one module passes them here, and its docstring is the manual page.
    """

    def mark(function: Body) -> Body:
        function.tunedoctor_check = Check(  # type: ignore[attr-defined]
            id=id,
            title=title,
            severity=severity,
            explains=tuple(explains),
            advice=advice,
            run=function,
            uses=tuple(uses),
            systems=tuple(systems),
            page=function.__globals__["__doc__"] or "",
            origin=function.__module__,
        )
        return function

    return mark
