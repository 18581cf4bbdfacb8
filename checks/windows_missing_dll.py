"""A DLL is there, and one that it depends on is missing.

What it means
    Windows says that a module was not found, and names the one that it did find: what is missing is a dependency.
    torch 2.4.0 shipped fbgemm.dll linked against libomp140, which only Visual Studio installs.

How it is found
    Error 126 and the library that it names.

Cures
    A release of torch without that fault; else the Visual C++ redistributable.

When to ignore it
    Never.

Seen as
    OSError: [WinError 126] The specified module could not be found. Error loading
    fbgemm.dll" or one of its dependencies
    ImportError: DLL load failed while importing
"""

from tunedoctor.api import (
    Errors,
    Finding,
    Interpreter,
    Known,
    TorchBuild,
    Unknown,
    check,
    expression,
    worded,
)

FAILED = expression("windows-missing-dll/failed")

INTEL = ("backend_with_compiler", "intel-ext-pt-gpu", "intel-ext-pt-python")
"""DLLs of Intel's extension and its own torch, which want libuv and oneAPI. Source: its installation guide."""
NOT_LOADED = expression("windows-missing-dll/not-loaded")


@check(
    "windows-missing-dll",
    "A DLL that torch depends on is missing",
    explains=["library-import-fails", "torch-import-crash"],
)
def windows_missing_dll(
    errors: Errors | Unknown,
    torch: Known[TorchBuild],
    interpreter: Known[Interpreter],
) -> Finding | None:
    """Error 126 in a library."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = FAILED.search(error.text)
        if not found and (module := NOT_LOADED.search(error.text)):
            return worded("windows-missing-dll/module", said=module[0], module=module[1])
        if not found:
            continue
        name = found[1]
        case = "fbgemm" if name == "fbgemm" else "intel" if name in INTEL else "other"
        version = f" of torch {torch.version}" if torch is not None else ""
        keys = (f"windows-missing-dll:{case}", "windows-missing-dll")
        return worded(*keys, interpreter=interpreter, name=name, version=version)
    return None
