"""The block of a uv project's pyproject.toml that takes torch from its own index, and nothing else from there."""

from collections.abc import Callable

from tunedoctor.wheels.pins import Pins
from tunedoctor.wheels.shield import Shield


def uv_project(pins: Pins, around: Shield, quoted: Callable[[str], str]) -> str:
    """Return the block, which is TOML; how to run it stands in its last line as a comment.

    The index is explicit: a plain one would capture all that it mirrors. Triton of ROCm and XPU is on no other index,
    and sources hold for what a project names itself: so it is named.
    """
    names = [pin.name for pin in pins.packages]
    added = [*pins.requirements]
    if pins.triton:
        names.append(pins.triton)
        added.append(pins.triton)
    again = [f"--reinstall-package {name}" for name in pins.replaced]
    # --no-config leaves the block itself in force
    run = " ".join([f"{around.before_uv}uv add", *map(quoted, added), *again, *around.uv])
    if not pins.index:
        return f"# {run}\n"
    label = "pytorch-" + pins.index.rpartition("/")[2].replace(".", "-")
    lines = [
        "[[tool.uv.index]]",
        f'name = "{label}"',
        f'url = "{pins.index}"',
        "explicit = true",
        "",
        "[tool.uv.sources]",
        *(f'{name} = {{ index = "{label}" }}' for name in names),
        "",
        f"# {run}",
        "",
    ]
    return "\n".join(lines)
