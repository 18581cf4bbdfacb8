"""doctor export: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="export",
    cls=DoctorCommand,
    epilog=examples(
        "doctor export out", "doctor export out --gguf model.gguf --modelfile Modelfile"
    ),
)
def export(
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Run folder, adapter, model folder, or .gguf file.")
    ] = "out",
    target: TargetOption = None,
    own: OwnOption = False,
    merged: Annotated[
        str,
        typer.Option(
            "--merged",
            metavar="DIR",
            help="Write one model folder with the adapter merged in.",
            rich_help_panel="Output",
        ),
    ] = "",
    gguf: Annotated[
        str,
        typer.Option(
            "--gguf",
            metavar="FILE",
            help="Write a .gguf file for llama.cpp and Ollama.",
            rich_help_panel="Output",
        ),
    ] = "",
    modelfile: Annotated[
        str,
        typer.Option(
            "--modelfile",
            metavar="FILE",
            help="Write a Modelfile for Ollama.",
            rich_help_panel="Output",
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files.", rich_help_panel="Output")
    ] = False,
) -> int:
    """Convert a trained model for other programs and print the commands that use it."""
    from tunedoctor.cli.command_options import ExportArguments
    from tunedoctor.cli.export import run_export

    return run_export(
        ExportArguments(
            out=out,
            target=target,
            own=own,
            merged=merged,
            gguf=gguf,
            modelfile=modelfile,
            force=force,
        )
    )
