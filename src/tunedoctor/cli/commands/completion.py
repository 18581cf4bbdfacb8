"""doctor completion: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import DoctorCommand, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="completion",
    cls=DoctorCommand,
    epilog=examples(
        "source <(doctor completion bash)",
        "doctor completion fish > ~/.config/fish/completions/doctor.fish",
    ),
)
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"],
        typer.Argument(metavar="SHELL", help="Shell: bash, zsh, fish or powershell."),
    ] = "bash",
) -> int:
    """Print the shell completion script."""
    from tunedoctor.cli.command_options import CompletionOptions
    from tunedoctor.cli.completion import run_completion

    return run_completion(
        CompletionOptions(
            shell=shell,
        )
    )
