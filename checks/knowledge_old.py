"""The doctor's table of PyTorch wheels is older than 60 days.

What it means
    A PyTorch release comes about every eight weeks. What was released since the date of the table is not known here:
    advice names an older release than it could, and a newer library counts as unknown.

How it is found
    The date of the wheel table in use, shipped with the doctor or made by doctor update. A snapshot that is judged
    elsewhere or later is judged by the table of the doctor that judges.

Cures
    doctor update, where there is a network; else a newer doctor.

When to ignore it
    On a machine that stays with the libraries that it has.

Seen as
    found    the wheel table is of 2026-08-20, 96 days old
"""

from tunedoctor.api import Finding, Knowledge, check, worded


@check("knowledge-old", "What the doctor knows of PyTorch wheels is old", "note", advice=True)
def knowledge_old(knowledge: Knowledge) -> Finding | None:
    """Only by its age: a table that was updated is as good as a shipped one."""
    if not knowledge.old:
        return None
    return worded(
        "knowledge-old",
        found=f"the wheel table is of {knowledge.date}, {knowledge.days} days old",
        evidence=(f"{knowledge.source} table",),
    )
