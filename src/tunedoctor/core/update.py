"""Update the table of PyTorch wheels."""

import os
import sys
from datetime import UTC, datetime

from tunedoctor.core.arguments import public
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.sources import asker
from tunedoctor.installers.sources import own
from tunedoctor.probes.settings import project_file
from tunedoctor.refresh.index import indexes
from tunedoctor.refresh.update import Mode, UpdateError, UpdateResult
from tunedoctor.refresh.update import update as refresh
from tunedoctor.tables.load import cache_file


@public
def update(
    *,
    index: str = "",
    force: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    interaction: Interaction = SILENT,
) -> UpdateResult:
    """Fetch the newest list of PyTorch wheels and return what changed; asks the network at most once a day.

    `index`: a mirror of the PyTorch index. `force`: ask again within a day. `dry_run`: write nothing. Raises
    UpdateError if the table stays as it was.
    """
    # a project's settings can forbid the network; which index is asked is the user's to set
    ban = own(os.environ, sys.prefix, project_file()).ban
    if says := "--offline" if offline else ban.who if ban else "":
        raise UpdateError(f"{says} forbids using the network")
    mode: Mode = "show" if dry_run else "now" if force else "due"
    try:
        default, client = asker()
        places = indexes(index, default)
        with interaction.progress("reading") as progress:
            progress.watch(["the wheel index"])
            return refresh(cache_file(), places, datetime.now(UTC), mode, client)
    except UpdateError:
        raise
    except ValueError as error:
        misuse(str(error), "name one such as https://download.pytorch.org/whl")
