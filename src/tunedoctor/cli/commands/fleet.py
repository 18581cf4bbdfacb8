"""doctor fleet: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import (
    ConfigOption,
    DoctorCommand,
    FailOnOption,
    OnlyOption,
    OutputOption,
    PluginOption,
    QuietOption,
    SkipOption,
    StrictOption,
    VerboseOption,
    examples,
    finite,
)
from tunedoctor.render.format_names import FleetFormat

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="fleet",
    cls=DoctorCommand,
    context_settings={
        "obj": {"optional": ("--slurm", "--ray", "--kubernetes"), "several": ("--from",)}
    },
    epilog=examples(
        "doctor fleet --from snapshots/", "doctor fleet --slurm gpu --diff monday.json"
    ),
)
def fleet(
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Check these snapshots or reports: JSON files, folders of them, or - for JSON lines on stdin.",
            rich_help_panel="Machines",
        ),
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            "--slurm",
            metavar="[NODES]",
            help="Check Slurm nodes: all, a partition, or a list such as n[1-40].",
            rich_help_panel="Machines",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="[ADDRESS]",
            help="Check the nodes of a Ray cluster.",
            rich_help_panel="Machines",
        ),
    ] = None,
    kubernetes: Annotated[
        str | None,
        typer.Option(
            "--kubernetes",
            metavar="[LABELS]",
            help="Check Kubernetes nodes; only those with these labels, if given.",
            rich_help_panel="Machines",
        ),
    ] = None,
    ssh: Annotated[
        str | None,
        typer.Option(
            "--ssh",
            metavar="HOSTS",
            help="Check hosts over ssh: names separated by commas, or @FILE.",
            rich_help_panel="Machines",
        ),
    ] = None,
    profile: Annotated[
        Literal["node", "project"] | None,
        typer.Option(
            "--profile",
            help="What to check: node (the machine only) or project (with its environment).",
            rich_help_panel="Checks",
        ),
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Also train a tiny model on each node.", rich_help_panel="Checks"
        ),
    ] = False,
    doctor: Annotated[
        str,
        typer.Option(
            "--doctor",
            metavar="PATH",
            help="Path of doctor on the nodes (default: the one on their PATH, or else a temporary copy).",
            rich_help_panel="Machines",
        ),
    ] = "",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="S",
            help="Time limit per node in seconds.",
            rich_help_panel="Machines",
            min=1,
            max=86400,
            callback=finite,
        ),
    ] = 120.0,
    image: Annotated[
        str,
        typer.Option(
            "--image",
            metavar="NAME",
            help="With --kubernetes: container image that has doctor.",
            rich_help_panel="Machines",
        ),
    ] = "",
    manifest: Annotated[
        bool,
        typer.Option(
            "--manifest",
            help="With --kubernetes: print the manifest for a node and how to apply it.",
            rich_help_panel="Machines",
        ),
    ] = False,
    at_once: Annotated[
        int,
        typer.Option(
            "--at-once",
            metavar="N",
            help="Number of nodes to check at the same time.",
            rich_help_panel="Machines",
            min=1,
            max=4096,
        ),
    ] = 64,
    last: Annotated[
        str,
        typer.Option(
            "--diff",
            metavar="LAST",
            help="Report what changed since an earlier --format json result.",
            rich_help_panel="Output",
        ),
    ] = "",
    drain: Annotated[
        bool,
        typer.Option(
            "--drain",
            help="Plan to drain Slurm nodes that have a problem for an administrator to fix.",
            rich_help_panel="Actions",
        ),
    ] = False,
    undrain: Annotated[
        bool,
        typer.Option(
            "--undrain",
            help="Plan to resume nodes that doctor drained and that are now ready.",
            rich_help_panel="Actions",
        ),
    ] = False,
    cordon: Annotated[
        bool,
        typer.Option(
            "--cordon",
            help="Plan to cordon Kubernetes nodes that have a problem for an administrator to fix.",
            rich_help_panel="Actions",
        ),
    ] = False,
    uncordon: Annotated[
        bool,
        typer.Option(
            "--uncordon",
            help="Plan to uncordon nodes that doctor cordoned and that are now ready.",
            rich_help_panel="Actions",
        ),
    ] = False,
    label: Annotated[
        bool,
        typer.Option(
            "--label",
            help="Plan to label Kubernetes nodes with what is wrong with them.",
            rich_help_panel="Actions",
        ),
    ] = False,
    unlabel: Annotated[
        bool,
        typer.Option("--unlabel", help="Plan to remove these labels.", rich_help_panel="Actions"),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Carry out the plan.", rich_help_panel="Actions")
    ] = False,
    at_most: Annotated[
        int | None,
        typer.Option(
            "--at-most",
            metavar="N",
            help=(
                "Largest number of nodes to have out of service (default: a tenth of the cluster and"
                " of the checked nodes)."
            ),
            rich_help_panel="Actions",
            min=1,
            max=100000,
        ),
    ] = None,
    max_age: Annotated[
        float,
        typer.Option(
            "--max-age",
            metavar="HOURS",
            help="Maximum age in hours of the --from files that an action relies on.",
            rich_help_panel="Actions",
            min=0.01,
            max=87600,
            callback=finite,
        ),
    ] = 1.0,
    format: Annotated[
        FleetFormat,
        typer.Option("--format", help="Output format.", rich_help_panel="Output"),
    ] = "terminal",
    output: OutputOption = None,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    only: OnlyOption = None,
    skip: SkipOption = None,
    fail_on: FailOnOption = None,
    strict: StrictOption = False,
    plugin: PluginOption = None,
    config: ConfigOption = None,
) -> int:
    """Check many machines at once: what is wrong, which ones differ, and why."""
    from tunedoctor.cli.command_options import FleetOptions
    from tunedoctor.cli.fleet import run_fleet

    return run_fleet(
        FleetOptions(
            files=tuple(files or ()),
            slurm=slurm,
            ray=ray,
            kubernetes=kubernetes,
            ssh=ssh,
            profile=profile,
            smoke=smoke,
            doctor=doctor,
            timeout=timeout,
            image=image,
            manifest=manifest,
            at_once=at_once,
            last=last,
            drain=drain,
            undrain=undrain,
            cordon=cordon,
            uncordon=uncordon,
            label=label,
            unlabel=unlabel,
            yes=yes,
            at_most=at_most,
            max_age=max_age,
            format=format,
            output=tuple(output or ()),
            verbose=verbose,
            quiet=quiet,
            only=tuple(only or ()),
            skip=tuple(skip or ()),
            fail_on=fail_on,
            strict=strict,
            plugin=tuple(plugin or ()),
            config=config,
        )
    )
