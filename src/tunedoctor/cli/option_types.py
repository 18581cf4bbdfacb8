"""Options that several commands share, with their words."""

from typing import Annotated

import typer

Target = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", metavar="PATH", help="Interpreter or environment folder to look at."
    ),
]
Self = Annotated[bool, typer.Option("--self", help="Look at the doctor's own environment.")]
Format = Annotated[
    str, typer.Option("--format", metavar="F", help="terminal, json or, of reports, jsonl.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Evidence, and what passed.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors and the verdict alone.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="ID", help="Run this check (repeat for more).")
]
Skip = Annotated[
    list[str] | None, typer.Option("--skip", metavar="ID", help="Leave this check out.")
]
FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on", metavar="S", help="Exit 1 from: error (default), warning, note, never."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Warnings fail; so does what could not be told.")
]
Deep = Annotated[
    bool, typer.Option("--deep", help="Also run the target's own packages, stage by stage.")
]
ProjectSources = Annotated[
    bool,
    typer.Option(
        "--allow-project-sources",
        help="Use package sources that pyproject.toml, uv.toml or requirements.txt name.",
    ),
]
Plugin = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="NAME", help="Run this plug-in's checks too."),
]
KeepHost = Annotated[
    bool,
    typer.Option("--keep-host", help="Leave this machine's own name in what is to be shared."),
]
