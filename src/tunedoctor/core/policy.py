"""Write a policy from a machine that is known to be good."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tunedoctor.core.errors import misuse
from tunedoctor.core.files import write_file
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.diagnosis.policy import from_good
from tunedoctor.model.snapshot import Snapshot


class Policy(NamedTuple):
    """A policy that a machine meets."""

    text: str
    """A doctor.toml."""
    file: str = ""
    """The file that it was written to; "" if none was."""


def write_policy(
    take: Callable[[], Snapshot],
    output: str,
    *,
    force: bool = False,
    interaction: Interaction = SILENT,
) -> Policy:
    """Write a policy that the machine of a snapshot meets, to a file or, with "-", to none.

    `take` returns the snapshot. Raises DoctorError if the file exists, unless `force`, or can't be written.
    """
    if output != "-" and Path(output).name == "pyproject.toml":
        paste = "-o - prints the policy; paste it into pyproject.toml as [tool.doctor.policy]"
        misuse("it writes a whole file", paste)
    if output != "-" and Path(output).exists() and not force:
        misuse(f"{output} already exists", "-o - prints the policy, --force overwrites the file")
    text = "\n".join([*from_good(take()), ""])
    if output == "-":
        return Policy(text)
    note = "; loosen what may differ, then run doctor check"
    write_file(output, text, said=note, interaction=interaction)
    return Policy(text, output)
