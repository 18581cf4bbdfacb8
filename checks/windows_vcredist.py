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
    TorchBuild,
    Unknown,
    check,
    known,
    pattern,
    tell,
    told,
)

FAILED = pattern(r"WinError 1114\][\s\S]{0,200}?(c10|torch_python|shm|torch_cpu)\.dll")


@check(
    "windows-vcredist",
    "The Visual C++ runtime is too old for this PyTorch",
    explains=["library-import-fails", "torch-import-crash", "windows-missing-dll"],
)
def windows_vcredist(
    errors: Errors | Unknown, torch: TorchBuild | Unknown | None
) -> Finding | None:
    """Error 1114 in a library of torch."""
    build = known(torch)
    stated = told(errors, r"Microsoft Visual C\+\+ Redistributable is not installed")
    absent = told(
        errors,
        (
            r"(?:MSVCP140|VCRUNTIME140)(?:_\d)?\.dll,? (?:which )?"
            r"(?:was not found|(?:is|was) missing|is not (?:found|there))"
        ),
        r"(?:library|find module|DLL\(s\)) '?(?:msvcp140|vcruntime140)(?:_\d)?\.dll",
        r"Faulting module name: MSVCP140\.dll",
    )
    if absent or (stated and told(errors, r"WinError \d+", r"DLL load failed")):
        return Finding(
            title="The Visual C++ runtime is not installed",
            found=f"the error '{absent}'"
            if absent
            else f"the warning '{stated}', and a DLL that does not load",
            said=absent or stated,
            means="import torch stops",
            cure=tell("winget install --exact Microsoft.VCRedist.2015+.x64", who="root"),
            cure_note="administrator",
        )
    if stated:
        return Finding(
            title="The Visual C++ runtime is not installed",
            severity="warning",
            found=f"the warning '{stated}'",
            said=stated,
            means="import torch stops where a DLL needs it",
            cure=tell("winget install --exact Microsoft.VCRedist.2015+.x64", who="root"),
            cure_note="administrator",
        )
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = FAILED.search(error.text)
        if found:
            name = f"torch {build.version}" if build is not None else "torch 2.9 and newer"
            return Finding(
                found=f"WinError 1114 in {found[1]}.dll; {name} needs msvcp140.dll 14.40 or newer",
                means="import torch stops with WinError 1114",
                cure=tell("winget install --exact Microsoft.VCRedist.2015+.x64", who="root"),
                cure_note="administrator; in a conda environment also: conda update vs2015_runtime; "
                "if it stays, torch 2.8 needs no newer one",
            )
    return None
