"""A badge for a README: JSON of shields' endpoint format, which says on which cards a project trains."""

import json
from collections.abc import Iterable

from tunedoctor.diagnosis.report import Report
from tunedoctor.render.formats import ReportView

_MAKERS = ("NVIDIA GeForce ", "NVIDIA ", "AMD ", "Intel ", "Apple ")


def render(view: ReportView) -> str:
    """Return the badge of one report."""
    return render_several((view.report,))


def render_several(reports: Iterable[Report]) -> str:
    """Return one badge for a project's reports, one a card: the names of those that are ready.

    It is green if all are ready, yellow if some are, red if one has findings and none is ready, grey if no check
    could decide. A card whose verdict is unknown is never named.
    """
    every = tuple(reports)
    ready = [_name(one) for one in every if one.verdict == "ready"]
    if ready:
        colour = "brightgreen" if len(ready) == len(every) else "yellow"
        message = " | ".join(dict.fromkeys(ready))
    elif any(one.verdict == "findings" for one in every):
        colour, message = "red", "nothing that was checked"
    else:
        colour, message = "lightgrey", "undecided"
    badge = {"schemaVersion": 1, "label": "trains on", "message": message, "color": colour}
    return json.dumps(badge) + "\n"


def _name(report: Report) -> str:
    """Return a short name of a report's GPUs; "CPU" for a machine without one."""
    names = dict.fromkeys(gpu.name for gpu in report.machine.gpus)
    short: list[str] = []
    for name in names:
        maker = next((one for one in _MAKERS if name.startswith(one)), "")
        short.append(name.removeprefix(maker))
    return " + ".join(short) or ("CPU" if report.machine.gpus_known else "this machine")
