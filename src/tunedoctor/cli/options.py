"""The options that check and triage share, together with the user's settings."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, get_args

from tunedoctor.clean import clean_text
from tunedoctor.config import Config, ConfigError, mirrors, read_config
from tunedoctor.findings import Check
from tunedoctor.registry import RegistryError, all_checks, all_fixes
from tunedoctor.report import FailOn

if TYPE_CHECKING:
    from tunedoctor.fixing import Fix

FORMATS = ("terminal", "json")
REPORT_FORMATS = (*FORMATS, "jsonl")
"""Of commands that give reports; jsonl: each in one line."""


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
    shared: bool = False
    """The answer is to be given away: this machine's own name is hidden too."""

    @classmethod
    def of(  # noqa: PLR0913
        cls,
        format_: str,
        only: list[str] | None,
        skip: list[str] | None,
        fail_on: str | None,
        plugins: list[str] | None,
        *,
        verbose: bool,
        quiet: bool,
        strict: bool,
    ) -> "Options":
        """Put options over the settings of the working folder; exits with 2 on misuse."""
        config = settings()
        if format_ not in REPORT_FORMATS:
            misuse(f"--format is {format_!r}", f"choose one of {', '.join(REPORT_FORMATS)}")
        if fail_on is not None and fail_on not in get_args(FailOn):
            misuse(f"--fail-on is {fail_on!r}", f"choose one of {', '.join(get_args(FailOn))}")
        return cls(
            format=format_,
            only=tuple(only or config.only),
            skip=(*config.skip, *(skip or ())),
            fail_on=fail_on or config.fail_on,  # type: ignore[arg-type]  # checked above
            plugins=(*config.plugins, *(plugins or ())),
            verbose=verbose,
            quiet=quiet,
            strict=strict or config.strict,
        )

    def checks(self) -> tuple[Check, ...]:
        """Return the checks that are wanted; exits with 2 on an unknown id."""
        try:
            checks = all_checks(self.plugins)
        except RegistryError as error:
            misuse(str(error), "doctor list names what is installed")
        ids = {one.id for one in checks}
        for id_ in (*self.only, *self.skip):
            if id_ not in ids:
                misuse(
                    f"no check is called {id_!r}{_near(id_, ids)}",
                    "doctor explain --list names all",
                )
        return tuple(
            c for c in checks if (not self.only or c.id in self.only) and c.id not in self.skip
        )

    def fixes(self) -> "tuple[Fix, ...]":
        """Return all fixes; exits with 2 where a plug-in can't be used."""
        try:
            return all_fixes(self.plugins)
        except RegistryError as error:
            misuse(str(error), "doctor list names what is installed")


def settings() -> Config:
    """Return [tool.doctor] of the working folder; exits with 2 where it can't be understood."""
    try:
        mirrors()  # what can't be understood is told before any work
        return read_config(Path())
    except ConfigError as error:
        misuse(str(error), "doctor check --help lists the keys as options")


def misuse(what: str, way_out: str) -> NoReturn:
    """Say what is wrong with the input and how to go on; exit with 2."""
    sys.stderr.write(" ".join(clean_text(f"doctor: {what}; {way_out}").splitlines()) + "\n")
    raise SystemExit(2)


def _near(word: str, words: set[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    close = get_close_matches(word, words, 1)
    return f" (is it {close[0]}?)" if close else ""
