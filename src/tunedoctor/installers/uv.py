"""Resolve requirements and constraints with uv: returns pins, no solution, or why it failed.

uv runs in an empty folder and reads no settings files; doctor passes it the user's sources. Nothing is built. Messages
of uv and pip are quoted, not reworded.
"""

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.sources import Sources
from tunedoctor.model.findings import split_requirement
from tunedoctor.model.plan import Pin
from tunedoctor.model.versions import is_prerelease, normalised
from tunedoctor.system.child import ChildResult, run
from tunedoctor.system.reading import toml
from tunedoctor.system.scratch import scratch

_NAME = r"(?<![\w.=<>!~,-])([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]\s]*\]|\{[^}]*\})*(?:[<>=!~]\S*)?"
_LACKED = re.compile(
    rf"(?:no versions? of|only(?: the following versions of)?) {_NAME}"
    rf"|{_NAME} (?:ha(?:s|ve) no (?:usable )?wheels?\b|was not found in the )"
)


_WHEELS_REQUIRED = re.compile(
    r"hint: Wheels are required for `([\w.-]{1,200})` because building from source is disabled"
)


class NoSolution(NamedTuple):
    """uv proved that no solution exists."""

    text: str

    @property
    def flat(self) -> str:
        """The explanation in one line, without hints and line drawing."""
        return " ".join(self.text.partition("\nhint")[0].replace("╰─▶", " ").split())

    @property
    def lacked(self) -> tuple[str, ...]:
        """Packages for which the sources lack a required version, or a wheel for the platform and Python."""
        names = (name for match in _LACKED.finditer(self.flat) for name in match.groups() if name)
        return tuple(dict.fromkeys(map(normalised, names)))

    @property
    def source_only(self) -> str:
        """The package that was refused because it has no wheel and would have to be built; "" if there is none."""
        match = _WHEELS_REQUIRED.search(self.text)
        return normalised(match[1]) if match else ""

    def names(self, candidates: Iterable[str]) -> list[str]:
        """Return those of the names that the explanation mentions."""
        return [
            n for n in candidates if re.search(rf"(?<![\w.-]){re.escape(n)}(?![\w-])", self.flat)
        ]


Failure = Literal["no uv", "offline", "network", "time", "uv"]

SECONDS = 180.0
"""Seconds for one question; a full set takes two to ten."""
_LIMIT = 8 << 20
"""Most bytes of output; hashes of 200 packages are 1 MB."""


class ResolveQuestion(NamedTuple):
    """A question for uv: requirements, constraints and options of a resolution."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()
    """Pins that uv keeps if possible, like those of an existing output file."""
    excluded: tuple[str, ...] = ()
    """Names that count as satisfied wherever they are required."""
    interpreter: str = ""
    """Path of the Python to resolve for; "" for the doctor's own."""
    python: str = ""
    """Python version, for example "3.12"; "" for that of `interpreter`."""
    platform: str = ""
    """uv's name of a platform; "" for this one."""
    macos: str = ""
    """macOS release to resolve for, for example "14.0"; uv's default is too old for torch's wheels."""
    index_url: str = ""
    """PyTorch's index, in addition to the user's sources; "" for none."""
    hashes: bool = False
    dependencies: bool = True
    locked: bool = False
    """Whether to ask for pylock.toml, which has hashes and sizes of the files."""


class Solved(NamedTuple):
    """There is a solution."""

    pins: tuple[Pin, ...]
    text: str


class Failed(NamedTuple):
    """uv failed, so it is unknown whether there is a solution."""

    why: Failure
    text: str


Outcome = Solved | NoSolution | Failed


def find_uv() -> str:
    """Return the path of the uv that was installed with the doctor, or ""."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415  loads sysconfig

        return str(find_uv_bin())
    except (ImportError, OSError):
        next_to_python = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
        return str(next_to_python) if next_to_python.is_file() else ""


def uv_pip(verb: str, python: str, *, uv: str | None = None, wheels: bool = True) -> list[str]:
    """Return the start of every uv command: build nothing, fetch no Python, draw nothing on the terminal."""
    argv = [find_uv() if uv is None else uv, "pip", verb, "--python", python]
    argv += ["--no-python-downloads", "--no-progress", "--color", "never"]
    return [*argv, *(ONLY_WHEELS if wheels else ())]


ONLY_WHEELS = ("--only-binary", ":all:")
"""Option of uv and pip: building a source distribution would run its author's code."""


def resolve(
    question: ResolveQuestion, sources: Sources, *, uv: str | None = None, seconds: float = SECONDS
) -> Outcome:
    """Ask uv, for at most `seconds` each time; never raises for errors of uv, an index or a package.

    A pre-release is taken only if the question asks for one, or prefers one because it is installed, or if a package
    requires one that has no final release in its range. uv alone takes one wherever a range has no final release,
    for example `safetensors>0.8.0` where 0.9.0rc1 is the newest.
    """
    allowed = _asked_prereleases(question)
    banned: tuple[str, ...] = ()
    answer: Outcome = NoSolution("")
    for _ in range(_PRERELEASE_TRIES):
        opted = tuple(f"{name}>=0.dev0" for name in sorted(allowed))
        several = (*question.constraints, *opted, *banned)
        answer = _resolve_once(question._replace(constraints=several), sources, uv, seconds)
        if isinstance(answer, NoSolution):
            required = {normalised(name) for name in _REQUIRED_PRERELEASE.findall(answer.text)}
            if required <= allowed:
                break
            allowed |= required
        elif isinstance(answer, Solved):
            pre = (pin for pin in answer.pins if is_prerelease(pin.version))
            unasked = tuple(f"{pin.name}!={pin.version}" for pin in pre if pin.name not in allowed)
            if not unasked:
                break
            banned += unasked
        else:
            break
    return answer


_PRERELEASE_TRIES = 8
"""Most questions for one answer: each one allows pre-releases of one more package, or excludes one of them."""
_REQUIRED_PRERELEASE = re.compile(
    r"hint: `([\w.-]+)(?:\[[^\]]*\])?` was requested with a pre-release marker \(e\.g\., [^<()]*?[=~]=[^<()]*\)"
)
"""uv's hint that a package's own requirement asks for a pre-release; an upper bound (<2.0.dev0) does not."""


def _asked_prereleases(question: ResolveQuestion) -> set[str]:
    """Return the packages for which the question names a pre-release in a requirement, constraint or preference."""
    names: set[str] = set()
    for line in (*question.requirements, *question.constraints, *question.preferred):
        name, specifier = split_requirement(line)
        clauses = (clause.strip() for clause in specifier.split(","))
        lowest = (
            clause.lstrip("=>~") for clause in clauses if clause.startswith(("==", ">=", "~="))
        )
        if any(is_prerelease(version) for version in lowest):
            names.add(name)
    return names


def _resolve_once(
    question: ResolveQuestion, sources: Sources, uv: str | None, seconds: float
) -> Outcome:
    all_sources = sources.with_index(question.index_url)
    # with --python uv does not search for one; --python-version says which Python to resolve for
    compile_ = uv_pip("compile", question.interpreter or sys.executable, uv=uv)
    if not compile_[0]:
        return Failed("no uv", "uv is missing: it comes with doctor, so reinstall doctor")
    with scratch() as folder:
        out = Path(folder, "pylock.toml" if question.locked else "out.txt")
        preferences = lock_of(question.preferred) if question.locked else _lines(question.preferred)
        files = {
            "in.txt": _lines(question.requirements),
            "constraints.txt": _lines((*question.constraints, *all_sources.limits)),
            "excludes.txt": _lines(question.excluded),
            "uv.toml": _indexes(all_sources),
            **({out.name: preferences} if question.preferred else {}),
        }
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        env = all_sources.variables(os.environ)
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX"):  # they stand in uv.toml
            env.pop(name, None)
        env |= {"MACOSX_DEPLOYMENT_TARGET": question.macos} if question.macos else {}
        argv = [*compile_, *_arguments(question, out.name), *all_sources.options()]
        completed = run(argv, timeout=seconds, env=env, cwd=folder, limit=_LIMIT)
        if not completed.ok:
            return _failed(completed, all_sources.offline)
        try:
            text = out.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return Failed("uv", f"uv wrote no result: {error.strerror}")
    return Solved(locked(text) if question.locked else pins_of(text), text)


def _arguments(question: ResolveQuestion, out: str) -> list[str]:
    argv = ["in.txt", "--constraints", "constraints.txt", "--output-file", out]
    argv += ["--config-file", "uv.toml", "--no-header", "--annotation-style", "line"]
    argv += ["--prerelease", "explicit"]
    argv += ["--python-version", question.python] if question.python else []
    argv += ["--python-platform", question.platform] if question.platform else []
    argv += ["--excludes", "excludes.txt"] if question.excluded else []
    argv += ["--generate-hashes", "--no-annotate"] if question.hashes else []
    argv += [] if question.dependencies else ["--no-deps"]
    return argv


def _indexes(sources: Sources) -> str:
    """Return the text of a uv.toml of the indexes; their pages are cached for ten minutes, as PyPI allows.

    Many mirrors allow no caching, and then uv requests each page again, which takes seconds.
    """
    several = [(source, "") for source in sources.extra]
    several += [(sources.index, "default = true\n")] if sources.index else []
    lines: list[str] = []
    for source, default in several:
        name = f"name = {json.dumps(source.name)}\n" if source.name else ""
        lines.append(f"[[index]]\n{name}url = {json.dumps(source.url)}\n{default}{_HOLDS}\n")
    return "".join(lines)


_HOLDS = 'cache-control = { api = "max-age=600", files = "max-age=600" }'


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_DOWN = re.compile(
    r"error sending request|dns error|tcp connect|Request failed after|timed out|Could not connect"
    r"|Failed to fetch|status (?:code|client|server) error|HTTP status|error decoding response|error trying to connect",
    re.IGNORECASE,
)


def _failed(completed: ChildResult, offline: str) -> NoSolution | Failed:
    text = clean_output(completed.err)
    if completed.how == "hung":
        return Failed("time", f"uv gave {completed.death}")
    if completed.how != "exit":
        return Failed("uv", f"uv ended by {completed.death}")
    # its only reason is that it may not ask
    if "network was disabled" in text or (offline == "--offline" and "in the cache" in text):
        return lack(offline)
    if "No solution found" in text:
        return NoSolution(text)
    if _DOWN.search(text):
        return Failed("network", f"the package index did not answer: {why(text)}")
    return Failed("uv", f"uv: {why(text)}")


def lack(by: str) -> Failed:
    """Return a sentence: the cache lacks something, and which setting forbids downloading it."""
    by = by or "a setting of uv"
    return Failed("offline", f"uv's cache lacks what is needed, and {by} forbids downloading it")


_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:.*# via (.+))?")


def pins_of(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file with uv's "# via" comments; other lines are skipped."""
    pins: list[Pin] = []
    for match in filter(None, map(_PIN.match, text.splitlines())):
        owners = "" if "-r " in (match[3] or "") else match[3] or ""
        via = tuple(filter(None, map(str.strip, owners.split(","))))
        pins.append(Pin(name=normalised(match[1]), version=match[2], via=via))
    return tuple(pins)


def locked(text: str) -> tuple[Pin, ...]:
    """Return the packages of a pylock.toml written by uv; () if it can't be read."""
    from packaging.pylock import Pylock, PylockValidationError  # noqa: PLC0415  few ask for one

    try:
        packages = Pylock.from_dict(toml(text)).packages
    except (ValueError, PylockValidationError):
        return ()
    return tuple(
        Pin(
            name=package.name,
            version=str(package.version or ""),
            hashes=tuple(f"sha256:{f.hashes['sha256']}" for f in package.wheels or ()),
            download_bytes=max((f.size or 0 for f in package.wheels or ()), default=0),
        )
        for package in packages
    )


def lock_of(pins: Iterable[str]) -> str:
    """Return the text of a pylock.toml with pins, whose versions uv keeps if possible."""
    form = '[[packages]]\nname = "{}"\nversion = "{}"\n'
    packages = (form.format(*pin.split("==", 1)) for pin in pins)
    return "".join(('lock-version = "1.0"\ncreated-by = "doctor"\n', *packages))


_MARK = re.compile(r"^[^\w\s`'\"<>/(-]+ |^(?:error|cause|ERROR): ")
"""Prefix of each part of an error of uv or pip."""
_GONE_WELL = ("Using ", "Resolved ", "Prepared ", "Audited ", "WARNING:", "[notice]")


def clean_output(text: str) -> str:
    """Return uv's output, cleaned, without warnings and their causes."""
    lines_kept: list[str] = []
    warning = False
    for line in clean_text(text).splitlines():
        if not line.startswith((" ", "\t")):
            warning = line.startswith("warning:")
        if not warning and line.strip():
            lines_kept.append(line.rstrip())
    return "\n".join(lines_kept)


def why(text: str) -> str:
    """Return uv's or pip's own error message in one line."""
    lines = [line.strip() for line in clean_output(text).splitlines()]
    # lines about finished work give no reason; pip's last line does
    chosen = [text_line for text_line in lines if not text_line.startswith(_GONE_WELL)][:3]
    chosen = [text_line for text_line in lines if text_line.startswith("ERROR: ")][-1:] or chosen
    return "; ".join(_MARK.sub("", text_line) for text_line in chosen)[:300] or "it printed nothing"
