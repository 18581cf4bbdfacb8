"""List this user's Python environments."""

import os
import sys
from pathlib import Path

from tunedoctor.core.arguments import public
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.probes import environments as probe
from tunedoctor.probes.environments import Environment, Environments


@public
def environments(
    *, quick: bool = False, interaction: Interaction = SILENT
) -> tuple[Environment, ...]:
    """Return this user's Python environments; active ones and those of the working folder come first.

    Their files are read, nothing is started. `quick`: leave out the sizes, which take up to seconds.
    """
    listed = list_environments(quick=quick, interaction=interaction)
    return redacted(listed, this_identity()).environments


def list_environments(*, quick: bool, interaction: Interaction = SILENT) -> Environments:
    """Return the environments as the command prints them; the paths are not redacted yet."""
    with interaction.progress("measuring"):
        environments = probe.environments(
            os.environ, str(Path.cwd()), sys.executable, sized=not quick
        )
    return Environments(environments=environments)
