"""doctor explain."""

import os
import sys

from tunedoctor.cli.explain_text import explain_text, is_text
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.registry import source_of
from tunedoctor.render import page
from tunedoctor.render.style import style_for


def explain(id_: str, *, list_all: bool, plugins: list[str]) -> int:
    """Print the page of a check, or the list of all; returns the exit code."""
    text = is_text(id_) and not list_all
    only = [id_] if id_ and not list_all and not text else None
    options = Options.of(
        "terminal", only, None, None, plugins, verbose=False, quiet=False, strict=False
    )._replace(skip=())
    if not only and not list_all and not text:
        misuse("explain which finding", "doctor explain ID, an error text in quotes, or --list")
    checks = options._replace(only=tuple(only or ())).checks()
    if text:
        return explain_text(id_, checks)
    style = style_for(sys.stdout, os.environ)
    if list_all:
        width = max(len(c.id) for c in checks)
        for one in sorted(checks, key=lambda c: c.id):
            write(f"{one.id:<{width}}  {one.severity:<7}  {style.plain(one.title)}\n")
        return 0
    (one,) = checks
    write(page.render(one, source_of(one), style))
    return 0
