"""doctor explain: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.completions import complete_topic
from tunedoctor.cli.parameters import DoctorCommand, PluginOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="explain",
    cls=DoctorCommand,
    epilog=examples(
        "doctor explain torch-cpu-only", "doctor explain 'CUDA error: no kernel image is available'"
    ),
)
def explain(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID|TEXT",
            help="Finding, topic, or an error message in quotes (- for stdin).",
            autocompletion=complete_topic,
        ),
    ] = "",
    listed: Annotated[bool, typer.Option("--list", help="List all findings and topics.")] = False,
    plugin: PluginOption = None,
) -> int:
    """Explain a finding, an error message or a topic."""
    from tunedoctor.cli.command_options import ExplainOptions
    from tunedoctor.cli.explain import run_explain

    return run_explain(
        ExplainOptions(
            id=id,
            listed=listed,
            plugin=tuple(plugin or ()),
        )
    )
