"""doctor config: its options, and the call of what it does."""

import typer

from tunedoctor.cli.parameters import ConfigOption, DoctorCommand, FormatOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="config",
    cls=DoctorCommand,
    epilog=examples("doctor config", "doctor config --config ci/doctor.toml --format json"),
)
def config(
    config: ConfigOption = None,
    format: FormatOption = "terminal",
) -> int:
    """Show the effective settings and policy and where each comes from."""
    from tunedoctor.cli.command_options import ConfigOptions
    from tunedoctor.cli.config import run_config

    return run_config(
        ConfigOptions(
            config=config,
            format=format,
        )
    )
