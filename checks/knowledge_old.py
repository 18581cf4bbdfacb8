from tunedoctor import api


@api.check("knowledge-old")
def knowledge_old(facts: api.Facts, knowledge: api.Knowledge) -> api.Finding | None:
    """Only by its age: a table that was updated is as good as a shipped one."""
    return facts.worded("knowledge-old") if knowledge.old else None
