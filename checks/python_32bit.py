from tunedoctor import api


@api.check("python-32bit")
def python_32bit(facts: api.Facts) -> api.Finding | None:
    """Find a pointer of 32 bits, or an install that failed for such a Python."""
    own = facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    if own.bits != 32 and (why is None or why.cause != "python-32bit"):
        return None
    case = "python-32bit:windows" if facts.host.os == "windows" else "python-32bit:else"
    said = why.found if why is not None else ""
    return facts.worded(case, "python-32bit", found="" if own.bits == 32 else said, said=said)
