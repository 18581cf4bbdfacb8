"""doctor demo."""

from tunedoctor.cli.command_options import DemoOptions
from tunedoctor.cli.output import screen, write
from tunedoctor.core.demo import demonstrate
from tunedoctor.render.demo import render, render_page


def run_demo(given: DemoOptions) -> int:
    """Show a recorded machine before and after a fix; returns the exit code 0."""
    shown = demonstrate()
    write(render_page(shown) if given.format == "html" else render(shown, screen))
    return 0
