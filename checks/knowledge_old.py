from tunedoctor import api


@api.check("knowledge-old")
def knowledge_old(knowledge: api.Knowledge) -> api.Finding | None:
    """Only by its age: a table that was updated is as good as a shipped one."""
    if not knowledge.old:
        return None
    return api.worded(
        "knowledge-old",
        found=f"the wheel table is of {knowledge.date}, {knowledge.days} days old",
        evidence=(f"{knowledge.source} table",),
    )
