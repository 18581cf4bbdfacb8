"""doctor wheel."""

from tunedoctor.cli.command_options import WheelOptions
from tunedoctor.cli.options import aim, look
from tunedoctor.cli.output import show
from tunedoctor.core.arguments import values_of
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_input
from tunedoctor.core.wheel import choose_wheel, choose_wheels_of
from tunedoctor.render import choice
from tunedoctor.wheels.choose import matrix
from tunedoctor.wheels.described import DescribedValues


def run_wheel(given: WheelOptions) -> int:
    """Print which PyTorch build is right for this machine or for described ones; returns the exit code."""
    check_combinations(given)
    if given.source is not None:
        chosen = choose_wheels_of(read_input(given.source), given.source)
    else:
        asked = values_of(DescribedValues, given)
        chosen = [choose_wheel(asked, lambda: look(aim(given.target, own=given.own)))]
    if given.matrix:
        show(given.format, choice.render_matrix, *map(matrix, chosen))
    else:
        show(given.format, choice.render, *chosen)
    return 0


def check_combinations(options: WheelOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.source and (
        options.target
        or options.own
        or options.platform
        or options.arch
        or options.glibc
        or options.musl
        or options.macos
        or options.python
        or options.driver
        or options.gpus
        or options.without
        or options.torch
    ):
        misuse("--from describes the machine completely", "leave out the other options")
    if options.platform and (options.target or options.own):
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
