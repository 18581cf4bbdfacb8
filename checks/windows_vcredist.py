"""The Visual C++ runtime is older than the wheel needs.

What it means
    torch 2.9 and newer for Windows need msvcp140.dll 14.40. An older one of the system, or one that conda or another
    program loaded first, makes the start of c10.dll fail with error 1114.

How it is found
    The number of the error and the library that it names; the words are in the language of Windows.

Cures
    The current Visual C++ redistributable; where conda brings an older msvcp140.dll, its update.

When to ignore it
    Never.

Seen as
    OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading
    c10.dll" or one of its dependencies
    Microsoft Visual C++ Redistributable is not installed, this may lead to the DLL load failure
"""

from tunedoctor.api import (
    Errors,
    Finding,
    Known,
    TorchBuild,
    Unknown,
    check,
    expression,
    heard,
    worded,
)

FAILED = expression("windows-vcredist/failed")


@check(
    "windows-vcredist",
    "The Visual C++ runtime is too old for this PyTorch",
    explains=["library-import-fails", "torch-import-crash", "windows-missing-dll"],
)
def windows_vcredist(errors: Errors | Unknown, torch: Known[TorchBuild]) -> Finding | None:
    """Error 1114 in a library of torch."""
    stated = heard(errors, "windows-vcredist/stated")
    absent = heard(errors, "windows-vcredist/absent")
    if absent or (stated and heard(errors, "windows-vcredist")):
        return worded(
            "windows-vcredist/absent",
            found=f"the error '{absent}'"
            if absent
            else f"the warning '{stated}', and a DLL that does not load",
            said=absent or stated,
        )
    if stated:
        return worded("windows-vcredist/stated", said=stated)
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = FAILED.search(error.text)
        if found:
            name = f"torch {torch.version}" if torch is not None else "torch 2.9 and newer"
            return worded(
                "windows-vcredist",
                found=f"WinError 1114 in {found[1]}.dll; {name} needs msvcp140.dll 14.40 or newer",
            )
    return None
