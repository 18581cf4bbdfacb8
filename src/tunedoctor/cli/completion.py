"""doctor completion: the script that teaches a shell the commands, options and their values."""

import sys

from tunedoctor.cli.app import COMPLETION_VARIABLE
from tunedoctor.cli.command_options import CompletionOptions


def run_completion(options: CompletionOptions) -> int:
    """Print the completion script for a shell; returns the exit code."""
    from typer._completion_shared import get_completion_script  # noqa: PLC0415  only here

    for program in ("doctor", "tunedoctor"):
        script = get_completion_script(
            prog_name=program, complete_var=COMPLETION_VARIABLE, shell=options.shell
        )
        sys.stdout.write(f"{script}\n")
    return 0
