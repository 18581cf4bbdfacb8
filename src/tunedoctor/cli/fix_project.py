"""doctor fix --project: show the edits of a project's files, ask, and write them."""

import shlex
import sys
from pathlib import Path

from tunedoctor.cli.check_project import described_machines
from tunedoctor.cli.command_options import FixArguments
from tunedoctor.cli.invocation import typed_words
from tunedoctor.cli.options import TERMINAL, agreed, criteria_of, settings
from tunedoctor.cli.output import screen, write
from tunedoctor.core.declared_set import ProjectChoice
from tunedoctor.core.errors import misuse
from tunedoctor.core.fix_project import apply_project_fix, plan_project_fix
from tunedoctor.core.fix_scopes import as_shown
from tunedoctor.render.plan import render_project_end, render_project_plan
from tunedoctor.render.screen import as_json
from tunedoctor.transaction.outcome import exit_code


def run_fix_project(given: FixArguments) -> int:
    """Plan the edits, show them, ask, and write them; returns the exit code."""
    check_combinations(given)
    held = settings()
    planned = plan_project_fix(
        ProjectChoice(Path(given.project or "."), given.requirements, given.extras, given.groups),
        described_machines(given, held.config.targets),
        criteria_of(found_settings=held),
        tuple(dict.fromkeys((*given.ids, *given.only))),
        allow_sources=given.allow_project_sources,
        interaction=TERMINAL,
    )
    result, is_terminal = planned.result, given.format == "terminal"
    if is_terminal and result.end == "planned":
        write(render_project_plan(as_shown(result), screen(), verbose=given.verbose))
    consent = ""
    if result.end == "planned" and not given.dry_run:
        if given.yes:
            result = apply_project_fix(planned)
        elif not is_terminal or not sys.stdin.isatty():
            consent = shlex.join((*typed_words(), "--yes"))
        elif agreed("Apply?", sys.stdout):
            result = apply_project_fix(planned)
        else:
            write("Nothing was changed.\n")
            return 1
    shown = as_shown(result)
    write(render_project_end(shown, screen(), consent=consent) if is_terminal else as_json(shown))
    return 2 if consent else exit_code(result)


def check_combinations(given: FixArguments) -> None:
    """Exit with 2 if an option is only for the fix of an environment."""
    environment = {
        "--target": given.target,
        "--self": given.own,
        "--new": given.new,
        "--with": given.packages,
        "--plan": given.plan,
        "--script": given.script is not None,
        "--installer": given.installer,
        "--deep": given.deep,
        "--smoke": given.smoke,
        "--no-import": given.no_import,
        "--system": given.system,
        "--smallest": given.smallest,
        "--edit": given.edit,
        "--environment-only": given.environment_only,
    }
    if used := next((option for option, value in environment.items() if value), ""):
        misuse("--project edits files and installs nothing", f"leave out {used}")
