"""doctor chat: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, OwnOption, TargetOption, examples, finite

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="chat",
    cls=DoctorCommand,
    epilog=examples(
        "doctor chat out", "doctor chat out --compare --prompt 'Who runs the lighthouse?'"
    ),
)
def chat(
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Run folder, adapter, model folder, or .gguf file.")
    ] = "out",
    target: TargetOption = None,
    own: OwnOption = False,
    prompt: Annotated[
        str,
        typer.Option(
            "--prompt",
            "-p",
            metavar="TEXT",
            help="Ask only this question; the answer goes to stdout.",
            rich_help_panel="Answer",
        ),
    ] = "",
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Also show the base model's answer.", rich_help_panel="Answer"
        ),
    ] = False,
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens",
            metavar="N",
            help="Longest answer, in tokens.",
            rich_help_panel="Answer",
            min=1,
            max=1048576,
        ),
    ] = 256,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            metavar="T",
            help="Sampling temperature; 0 always takes the likeliest token.",
            rich_help_panel="Answer",
            min=0,
            max=10,
            callback=finite,
        ),
    ] = 0.0,
    system: Annotated[
        str,
        typer.Option("--system", metavar="TEXT", help="System prompt.", rich_help_panel="Answer"),
    ] = "",
) -> int:
    """Ask a trained model a question, or chat with it."""
    from tunedoctor.cli.command_options import ChatArguments
    from tunedoctor.cli.export import run_chat_command

    return run_chat_command(
        ChatArguments(
            out=out,
            target=target,
            own=own,
            prompt=prompt,
            compare=compare,
            max_tokens=max_tokens,
            temperature=temperature,
            system=system,
        )
    )
