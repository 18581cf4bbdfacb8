from tunedoctor.api import (
    Finding,
    Host,
    IndexAnswer,
    Interpreter,
    Known,
    check,
    refused,
    tell,
    worded,
)


@check("python-32bit")
def python_32bit(
    interpreter: Known[Interpreter],
    host: Known[Host],
    answer: Known[IndexAnswer],
) -> Finding | None:
    """Find a pointer of 32 bits, or an install that failed for such a Python."""
    why = refused(answer, interpreter, host)
    small = interpreter is not None and interpreter.bits == 32
    if not small and (why is None or why.cause != "python-32bit"):
        return None
    windows = host is not None and host.os == "windows"
    place = (
        f"{interpreter.executable or 'the interpreter'} is" if interpreter is not None else "it is"
    )
    version = interpreter.version if interpreter is not None else ""
    return worded(
        "python-32bit",
        found=f"{place} a 32-bit Python {version}".strip() if small or why is None else why.found,
        said=why.found if why is not None else "",
        cure=tell("winget install Python.Python.3.12")
        if windows
        else tell("uv python install 3.12"),
    )
