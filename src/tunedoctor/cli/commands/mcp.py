"""doctor mcp: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, examples, finite

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="mcp",
    cls=DoctorCommand,
    epilog=examples("doctor mcp", "doctor mcp --allow-fix"),
)
def mcp(
    allow_fix: Annotated[
        bool,
        typer.Option(
            "--allow-fix",
            help="Add a tool that changes an environment by applying a plan it has shown.",
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            help="Time limit of one call in seconds; for a fix it is an hour.",
            min=1,
            max=86400,
            callback=finite,
        ),
    ] = 300.0,
) -> int:
    """Serve doctor's commands to coding agents over the Model Context Protocol (stdin and stdout)."""
    from tunedoctor.cli.command_options import McpOptions
    from tunedoctor.cli.mcp import run_mcp

    return run_mcp(
        McpOptions(
            allow_fix=allow_fix,
            timeout=timeout,
        )
    )
