"""The interpreter is a 32-bit one.

What it means
    torch has 64-bit wheels only. A 32-bit Python on a 64-bit system is common with editors that bring their own.

How it is found
    The size of a pointer in the target's interpreter.

Cures
    A 64-bit Python.

When to ignore it
    Never.

Seen as
    ERROR: Could not find a version that satisfies the requirement torch
    (32-bit runtime)
"""

from tunedoctor.api import Finding, Host, Interpreter, Unknown, check


@check(
    "python-32bit",
    "The interpreter is a 32-bit one",
    explains=[
        "library-import-fails",
        "missing-dependency",
        "platform-unsupported",
        "python-old",
        "python-unsupported",
        "torch-import-crash",
        "torch-missing",
    ],
)
def python_32bit(interpreter: Interpreter, host: Host | Unknown | None) -> Finding | None:
    """Find a pointer of 32 bits."""
    if interpreter.bits != 32:
        return None
    windows = isinstance(host, Host) and host.os == "windows"
    return Finding(
        found=f"{interpreter.executable} is a 32-bit Python {interpreter.version}",
        means="pip finds no torch for it: all wheels are for 64 bits",
        cure="winget install Python.Python.3.12" if windows else "uv python install 3.12",
        cure_note="a 64-bit Python; then make a new environment of it",
    )
