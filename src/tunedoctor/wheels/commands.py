"""The commands that put the chosen build into a Python environment: pip, uv pip, uv project, Dockerfile, requirements."""

import msgspec

from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.machine import Machine


class Commands(msgspec.Struct, frozen=True):
    """One way to install for each tool; all of them give the same build."""

    pip: tuple[str, ...]
    """Commands to run one after the other; more than one only where pip can't do it in one."""
    uv_pip: tuple[str, ...]
    uv_project: str
    """Block for the pyproject.toml of a uv project."""
    dockerfile: str
    """Lines of a Dockerfile: ENV where the build needs variables, then RUN."""
    requirements: str
    """A requirements file that pip and uv both take."""


def commands_of(
    choice: Choice, machine: Machine, *, installed: str = "", python: str = ""
) -> Commands | None:
    """Return the commands for the build of a choice; None where it has none.

    `installed` is the torch that is there ("2.14.1+cu130"), `python` the path of the target's interpreter; "" for a
    Python that an activated environment or PATH gives.
    """
    build = choice.build
    if build is None:
        return None
    _ = machine, installed
    pins = f"torch=={build.torch_version}+{build.variant}"
    named = python or "python"
    return Commands(
        pip=(f"{named} -m pip install {pins} --index-url {choice.index}",),
        uv_pip=(f"uv pip install {pins} --torch-backend={build.variant}",),
        uv_project="",
        dockerfile="",
        requirements="",
    )
