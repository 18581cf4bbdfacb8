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

import re  # noqa: TC003  its Match, in annotations

from tunedoctor.api import (
    Errors,
    Finding,
    Unknown,
    check,
    pattern,
    tell,
)

OWN = pattern(
    r"(?<!\S)(\S*torch/lib/lib(?!torch_cuda)\w{1,60}\.so): undefined symbol: (_Z\w*(?:c10|at|torch|caffe2)\w*)"
)

CACHED = pattern(
    r"(?<!\S)(?P<cache>\S{0,300}?(?:torch_extensions|torchinductor_[\w.-]+|\.triton[\\/]cache))"
    r"(?P<file>[\\/]\S{0,300}?\.(?:so|pyd)): "
    r"undefined symbol: (?P<symbol>_Z\w*(?:c10|at|torch|caffe2)\w*|(?:cu|hip)[A-Z]\w+)"
)
"""What torch and its tools compile once and find again by name, whatever torch is installed by then."""
LAUNCHER = pattern(
    r"DLL load failed while importing (?P<module>__triton_launcher|cuda_utils|hip_utils)\b"
)
"""Modules that Triton compiles itself and keeps in its cache: no package holds them. Source: triton/backends."""
FRESH = "TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) TRITON_CACHE_DIR=$(mktemp -d) python SCRIPT"
OUTSIDE = pattern(
    r"(?<![^\s'\"(])(?P<file>/(?:usr/(?:local/)?lib|lib|opt/libtorch)(?![^\s:]{0,200}(?:site|dist)-packages)[^\s:]{0,200}"
    r"/lib(?:torch(?:_\w+)?|c10(?:_\w+)?)\.so[\d.]*): undefined symbol: (?P<symbol>_Z\w+)"
)
"""A library of torch in a folder where no package puts it."""


@check(
    "leftover-library",
    "A stale library is loaded before torch's own",
    explains=[
        "extension-abi-mismatch",
        "library-import-fails",
        "torch-import-crash",
        "windows-missing-dll",
    ],
)
def leftover_library(errors: Errors | Unknown) -> Finding | None:
    """Find a library of torch that lacks a symbol of torch, or a cached extension that does."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        if cached := CACHED.search(error.text):
            return _cached(cached)
        if launcher := LAUNCHER.search(error.text):
            return _launcher(launcher)
        if outside := OUTSIDE.search(error.text):
            return _outside(outside)
        found = OWN.search(error.text)
        if found:
            return Finding(
                found=f"{found[1]} wants {found[2][:90]}, which a library of the same wheel has: another one is loaded",
                means="import torch stops with 'undefined symbol'",
                cure=tell(f"ldd {found[1]}"),
                cure_note="remove the libc10 or libtorch that it shows outside of site-packages, then run ldconfig; "
                "if all lie inside, reinstall torch",
                settle=f"ldd {found[1]} | grep -E 'c10|torch'",
            )
    return None


def _cached(found: "re.Match[str]") -> Finding:
    return Finding(
        title="A compiled extension in the cache belongs to another PyTorch",
        found=f"{found['cache']}{found['file']} wants {found['symbol'][:90]}, which nothing that is loaded has",
        means="the extension is loaded from the cache in place of being compiled anew, and its import stops",
        cure=tell(f"rm -rf {found['cache']}"),
        cure_note="it is compiled anew at the next start, which needs nvcc of torch's CUDA",
        evidence=(found["cache"],),
        # a symbol of the driver lacks as well where no real libcuda is loaded
        settle="" if found["symbol"].startswith("_Z") else FRESH,
    )


def _launcher(found: "re.Match[str]") -> Finding:
    return Finding(
        severity="error",
        title="What Triton compiled earlier no longer loads",
        found=f"the error '{found[0]}': Triton compiles {found['module']} itself and keeps it in its cache",
        said=found[0],
        means="every kernel of Triton and torch.compile stops at its start",
        cure=tell(
            'Remove-Item -Recurse -Force "$HOME\\.triton\\cache", "$env:TEMP\\torchinductor_*"'
        ),
        cure_note="it is compiled anew at the next start; if that one does not load either, the C++ runtime lacks: "
        "winget install --exact Microsoft.VCRedist.2015+.x64",
    )


def _outside(found: "re.Match[str]") -> Finding:
    folder = found["file"].rpartition("/")[0]
    return Finding(
        title="A library of another PyTorch lies in a folder of the system",
        found=f"{found['file']} is loaded, outside of any environment, and lacks {found['symbol'][:90]}",
        means="import stops with 'undefined symbol': it stands in for the library of the installed torch",
        cure=tell(f"ls -l {folder}/libtorch* {folder}/libc10*"),
        cure_note="what an earlier build from source has left: move it away, then run ldconfig",
        evidence=(found["file"],),
    )
