"""Which checks run and what counts for the verdict: the arguments of a call over the settings of a project."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from tunedoctor.core.errors import misuse, refusing
from tunedoctor.diagnosis import gate as gates
from tunedoctor.diagnosis.gate import Gate, ProfileName
from tunedoctor.diagnosis.registry import RegistryError, all_checks, all_fixes
from tunedoctor.model.findings import Check, Severity
from tunedoctor.model.wording import suggest_similar
from tunedoctor.probes.places import folders, owned
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

NO_SETTINGS = Settings(Config())
"""The settings of a caller whose working folder must not change the result."""
_LIST = "doctor list shows what is installed"


class Criteria(NamedTuple):
    """Which checks run and what counts for the verdict."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fail_on: FailOn = "error"
    plugins: tuple[str, ...] = ()
    strict: bool = False
    unknown: OnUnknown = "warn"
    profile: ProfileName = "project"
    rules: tuple[Rule, ...] = ()
    """The policy."""
    ignore: tuple[Ignore, ...] = ()
    file: str = ""
    """The file of the policy and the settings; "" without one."""
    settled: tuple[str, ...] = ()
    """The ids of checks that the settings name."""
    known: tuple[tuple[str, Severity], ...] = ()
    """The baseline: fingerprint and severity."""
    shared: bool = False
    """The report is for other people, so the name of this machine is hidden too."""
    require_environment: bool = False
    """A missing Python environment leaves the verdict open."""

    @classmethod
    def over(  # noqa: PLR0913  the arguments of a check
        cls,
        settings: Settings = NO_SETTINGS,
        *,
        only: tuple[str, ...] = (),
        skip: tuple[str, ...] = (),
        plugins: tuple[str, ...] = (),
        fail_on: FailOn | None = None,
        strict: bool = False,
        profile: ProfileName = "project",
        require_environment: bool = False,
    ) -> "Criteria":
        """Return the criteria of settings with the arguments of a call, which win or add to them."""
        config = settings.config
        strict = strict or config.strict
        bar = fail_on or config.fail_on
        return cls(
            only=only or config.only,
            skip=(*(one for one in config.skip if one not in only), *skip),
            fail_on="warning" if strict and bar == "error" else bar,
            plugins=(*config.plugins, *plugins),
            strict=strict,
            unknown="fail" if strict else config.unknown,
            profile=profile,
            rules=settings.rules,
            ignore=config.ignore,
            file=settings.file,
            settled=(*config.only, *config.skip, *(one.id for one in config.ignore)),
            require_environment=require_environment,
        )

    def checks(self, more: tuple[Check, ...] = ()) -> tuple[Check, ...]:
        """Return the checks that run, with `more` besides the registered ones. Raises DoctorError for an unknown id."""
        with refusing(RegistryError, _LIST):
            checks = (*all_checks(self.plugins), *more)
        if self.rules:
            from tunedoctor.diagnosis.policy import policy_checks  # noqa: PLC0415  few have any

            checks = (*checks, *policy_checks(self.rules, self.file))
        ids = {one.id for one in checks}
        for id_ in (*self.only, *self.skip, *(one.id for one in self.ignore)):
            if id_ not in ids:
                place = f"{self.file}: " if id_ in self.settled else ""
                what = f"{place}no check is called {id_!r}{suggest_similar(id_, ids)}"
                misuse(what, "doctor explain --list names all")
        some = (c for c in checks if not self.only or c.id in self.only)
        left = gates.checks_for_profile((c for c in some if c.id not in self.skip), self.profile)
        if not left:
            misuse(f"no check is left for --profile {self.profile}", "leave out --only and --skip")
        return left

    def without_policy(self) -> "Criteria":
        """Return the criteria for other machines than those that the policy is about."""
        ids = {one.id for one in self.rules}
        only, skip = (tuple(x for x in some if x not in ids) for some in (self.only, self.skip))
        ignore = tuple(one for one in self.ignore if one.id not in ids)
        return self._replace(rules=(), only=only, skip=skip, ignore=ignore)

    @property
    def partial(self) -> bool:
        """True if checks are left out, so that the report cannot prove that the machine is ready."""
        return bool(self.only or self.skip)

    def expired(self) -> tuple[Ignore, ...]:
        """Return the `ignore` entries that have expired, unless another entry extends them."""
        return tuple(one for one in self.ignore if one.id not in self.gate().ignored)

    def gate(self) -> Gate:
        """Return what counts for the verdict."""
        today = datetime.now(UTC).date()
        left = (one for one in self.ignore if one.until >= today)
        ignored = {one.id: f"ignored until {one.until}: {one.reason}" for one in left}
        policy = self.file if self.rules else ""
        waits = {one.id: one.text for one in self.rules if one.row.of == "machine"}
        return Gate(
            fail_on=self.fail_on,
            unknown=self.unknown,
            profile=self.profile,
            ignored=ignored,
            known=dict(self.known),
            require_environment=self.require_environment,
            policy=policy,
            waits=waits,
        )

    def fixes(self) -> "tuple[Fix, ...]":
        """Return all fixes. Raises DoctorError if a plug-in cannot be used."""
        with refusing(RegistryError, _LIST):
            return all_fixes(self.plugins)


def find_settings(named: str | None = None) -> Settings:
    """Return the settings of a file, else those of the project. Raises DoctorError if they cannot be understood."""
    with refusing(ConfigError, "doctor explain policy shows the keys"):
        mirrors()  # a mistake in them is reported before any work
        return read_config(named, _project_files())


def _project_files() -> Iterator[str]:
    """Yield the files that can hold settings, first those of the working folder, named relative to it.

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
