from tunedoctor.api import Finding, Knowledge, check, worded


@check("knowledge-old")
def knowledge_old(knowledge: Knowledge) -> Finding | None:
    """Only by its age: a table that was updated is as good as a shipped one."""
    if not knowledge.old:
        return None
    return worded(
        "knowledge-old",
        found=f"the wheel table is of {knowledge.date}, {knowledge.days} days old",
        evidence=(f"{knowledge.source} table",),
    )
