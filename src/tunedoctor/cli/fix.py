"""doctor fix: show the plan, ask, and print how it ended."""

import shlex
import sys

import msgspec

from tunedoctor.cli.command_options import FixArguments as FixCommand
from tunedoctor.cli.invocation import typed_words
from tunedoctor.cli.options import TERMINAL, Options, agreed, aim, settings
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import Spinner
from tunedoctor.core.arguments import values_of
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import refusal, write_file
from tunedoctor.core.fix import check_combinations, fix_environment, own_python
from tunedoctor.core.fix_scopes import FixEvents, FixOptions, PlannedFix, as_shown
from tunedoctor.core.interaction import Progress
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.model.wording import megabytes
from tunedoctor.probes.targeting import choose_current_target
from tunedoctor.render.plan import (
    STAGES,
    render_end,
    render_left,
    render_next_round,
    render_next_scope,
    render_plan,
    render_scope_refused,
    render_stage,
)
from tunedoctor.render.screen import as_json, mark
from tunedoctor.render.script import MARK
from tunedoctor.render.setup import is_setup, render_plan_script
from tunedoctor.transaction.outcome import FixResult, Stage, exit_code


class TerminalFix(FixEvents):
    """Shows a fix on the screen, and asks before it is carried out."""

    def __init__(self, given: FixCommand) -> None:
        """Take the options; with --format json only the question and the script are shown."""
        self._given, self._is_terminal = given, given.format == "terminal"
        self.scripts = False
        """Whether a plan was written as a script."""

    def planned(self, fix: PlannedFix) -> None:
        """Print the plan."""
        if self._is_terminal:
            result, verbose = as_shown(fix.result), self._given.verbose
            write(render_plan(result, screen(), fix.unchanged, verbose=verbose))

    def agrees(self) -> bool:
        """Return whether the user agrees, or said --yes."""
        return self._given.yes or agreed("Apply?", sys.stdout)

    def begins(self) -> None:
        """Print the line between the question and the stages."""
        self._write("\n")

    def stage(
        self, stage: Stage, words: str, seconds: float, fix: PlannedFix, progress: Progress
    ) -> None:
        """Print the stage that has ended, and show the next one."""
        text = render_stage(stage, words, seconds, screen()) if self._is_terminal else ""
        if text and isinstance(progress, Spinner):
            progress.say(text)
        plan = fix.result.plan
        if plan and (goes_on := STAGES.get(stage, ("", "", ""))[2]):
            progress.watch([goes_on.format(megabytes(plan.download_bytes))])

    def next_scope(self, result: FixResult, kept: tuple[str, ...]) -> None:
        """Print the larger scope."""
        self._write(render_next_scope(as_shown(result), screen(), kept_packages=kept))

    def scope_refused(self, result: FixResult) -> None:
        """Print why a larger scope has no plan."""
        self._write(render_scope_refused(as_shown(result), screen(), verbose=self._given.verbose))

    def next_round(self, ids: tuple[str, ...]) -> None:
        """Print which findings are planned next."""
        self._write(render_next_round(ids, screen()))

    def remains(self, result: FixResult) -> None:
        """Print why the remaining findings cannot be fixed."""
        self._write(render_left(as_shown(result), screen()))

    def interrupted(self, text: str) -> None:
        """Print how the environment was left."""
        sys.stderr.write(f"\ndoctor: {text}\n")

    def scripted(self, fix: PlannedFix) -> None:
        """Write the plan as a script, and print what it does."""
        self.scripts = True
        result, place = fix.result, self._given.script or "-"
        if result.plan is None:
            return
        found = diagnose(fix.snapshot, fix.checks).causes
        cures = (step for one in found for step in one.finding.cure.steps)
        text = render_plan_script(result.plan, fix.snapshot, result.installer or "pip", cures)
        if place == "-":
            write(text)
        elif why := refusal(place, MARK, force=False):
            misuse(f"{place} {why}", "name another file")
        else:
            write_file(place, text, "name your own file")
        if self._is_terminal and place != "-":
            self._show_script(fix, place)

    def _show_script(self, fix: PlannedFix, place: str) -> None:
        shown, plan = screen(), fix.result.plan
        render_plan(as_shown(fix.result), shown, fix.unchanged)
        shown.line(mark("ok"), f" wrote {place}; nothing was changed")
        if plan and plan.new:
            sh = f"sh {shlex.quote(place)}"
            ways = [(f"sudo {sh} root", "run the part that needs root")]
            ways *= is_setup(plan, fix.snapshot)
            shown.next(*ways, (sh, "create the environment"))
        write(shown.text())

    def _write(self, text: str) -> None:
        if self._is_terminal:
            write(text)


def run_fix(given: FixCommand) -> int:
    """Examine, plan, show, ask, carry out; returns the exit code."""
    if given.project is not None:
        from tunedoctor.cli.fix_project import run_fix_project  # noqa: PLC0415  few fix a project

        return run_fix_project(given)
    require_project(given)
    ids = tuple(dict.fromkeys((*given.ids, *given.only)))  # here --only names findings, not checks
    fix = values_of(FixOptions, given, ids=ids, script=given.script is not None)
    check_combinations(fix, target=bool(given.target or given.own))
    if given.script == "":
        misuse("--script is empty", "leave it out, or give it a value")
    options = Options.of(given)
    if given.script == "-" and given.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (given.yes or given.dry_run or given.script)
    # without anyone to agree, the plan is shown and not carried out
    needs_consent = asks and (given.format == "json" or not sys.stdin.isatty())
    fix = msgspec.structs.replace(fix, dry_run=given.dry_run or needs_consent)
    place = (
        choose_current_target(own_python(fix), "--new")
        if given.new
        else aim(given.target, own=given.own)
    )
    is_terminal = given.format == "terminal"
    events = TerminalFix(given)
    result = fix_environment(
        fix,
        options.criteria,
        place,
        given.target,
        asks=not given.yes or fix.dry_run or bool(given.script),
        settings=settings(),
        ask_sources=is_terminal and not (given.yes or given.script) and sys.stdin.isatty(),
        interaction=TERMINAL,
        events=events,
    )
    if events.scripts and is_terminal:
        return 0
    shown = as_shown(result)
    consent = ""
    if needs_consent and result.end == "planned":
        consent = shlex.join((*typed_words(), "--yes"))
    text = ""
    if is_terminal:
        text = render_end(shown, screen(), verbose=given.verbose, consent=consent)
    write(text or as_json(shown))
    return 2 if consent else exit_code(result)


def require_project(given: FixCommand) -> None:
    """Exit with 2 if an option that describes a project's machines was given without --project."""
    described = {
        "--gpu": given.gpus,
        "--driver": given.driver,
        "--platform": given.platform,
        "--arch": given.arch,
        "--extra": given.extras,
        "--group": given.groups,
    }
    if used := next((option for option, value in described.items() if value), ""):
        misuse(f"{used} is for a project", "add --project")
