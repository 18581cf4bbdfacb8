"""A stale shared library of an earlier build is found before torch's own.

What it means
    torch's libraries belong together. A libc10.so or libtorch.so in /usr/local/lib or in LD_LIBRARY_PATH, left by a
    build from source, is loaded in place of the wheel's, and lacks what the others want.

How it is found
    An error in which a library of torch itself lacks a symbol of another one.

Cures
    Remove the stale file; ldd of the library that complains shows which one is loaded.

When to ignore it
    Never.

Seen as
    torch/lib/libcaffe2.so: undefined symbol: _ZTIN3c1010TensorImplE
    torch/lib/libtorch_python.so: undefined symbol: _ZN
"""

import re

from tunedoctor.api import Errors, Finding, Unknown, check

OWN = re.compile(
    r"(\S*torch/lib/lib(?!torch_cuda)\w+\.so): undefined symbol: (_Z\w*(?:c10|at|torch|caffe2)\w*)"
)


@check(
    "leftover-library",
    "A stale library is loaded before torch's own",
    explains=["library-import-fails", "torch-import-crash"],
)
def leftover_library(errors: Errors | Unknown) -> Finding | None:
    """Find a library of torch that lacks a symbol of torch."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = OWN.search(error.text)
        if found:
            return Finding(
                found=f"{found[1]} wants {found[2][:90]}, which a library of the same wheel has: another one is loaded",
                means="import torch stops with 'undefined symbol'",
                cure=f"ldd {found[1]}",
                cure_note="remove the libc10 or libtorch that it shows outside of site-packages, then run ldconfig; "
                "if all lie inside, reinstall torch",
                settle=f"ldd {found[1]} | grep -E 'c10|torch'",
            )
    return None
