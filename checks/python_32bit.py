from tunedoctor.api import Facts, Finding, check, refused, tell, worded


@check("python-32bit")
def python_32bit(facts: Facts) -> Finding | None:
    """Find a pointer of 32 bits, or an install that failed for such a Python."""
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    small = facts.interpreter.bits == 32
    if not small and (why is None or why.cause != "python-32bit"):
        return None
    windows = facts.host.os == "windows"
    place = (
        f"{facts.interpreter.executable or 'the interpreter'} is" if facts.interpreter else "it is"
    )
    version = facts.interpreter.version
    return worded(
        "python-32bit",
        found=f"{place} a 32-bit Python {version}".strip() if small or why is None else why.found,
        said=why.found if why is not None else "",
        cure=tell("winget install Python.Python.3.12")
        if windows
        else tell("uv python install 3.12"),
    )
