"""Compilers that torch.compile, Triton and source builds would find."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.facts import Compilers
from tunedoctor.probes.small_file import read
from tunedoctor.probing import probe
from tunedoctor.targeting import which

_WINDOWS = sys.platform == "win32"
C_COMPILERS = ("cl", "gcc", "clang") if _WINDOWS else ("gcc", "clang", "cc")
CXX_COMPILERS = ("cl", "g++", "clang++") if _WINDOWS else ("g++", "clang++", "c++")


@probe(Compilers)
def compilers() -> Compilers:
    """Search PATH and the usual places."""
    return find(os.environ, Path("/"))


def find(variables: Mapping[str, str], root: Path) -> Compilers:
    """Search the folders of PATH; CC and CXX go first, CUDA_HOME before PATH as torch has it."""
    folders = [f for f in variables.get("PATH", "").split(os.pathsep) if f]
    nvcc = _nvcc(variables, folders, root)
    return Compilers(
        cc=_named(variables.get("CC", ""), folders) or first(C_COMPILERS, folders),
        cxx=_named(variables.get("CXX", ""), folders) or first(CXX_COMPILERS, folders),
        nvcc=nvcc,
        nvcc_version=nvcc_version(nvcc) if nvcc else "",
    )


def first(names: tuple[str, ...], folders: list[str]) -> str:
    """Return the path of the first of `names` that lies in one of `folders`; "" for none."""
    path = {"PATH": os.pathsep.join(folders), "PATHEXT": ".EXE"}
    return next((found for name in names if (found := which(name, path))), "")


def _named(value: str, folders: list[str]) -> str:
    """Return the program of a variable such as CC="ccache gcc-13 -m64", searched as a shell would."""
    folder, name = os.path.split((value.split() or [""])[0])
    return first((name,), [folder] if folder else folders) if name else ""


def _nvcc(variables: Mapping[str, str], folders: list[str], root: Path) -> str:
    """Search as torch does: CUDA_HOME, CUDA_PATH, PATH, /usr/local/cuda."""
    homes = [variables[name] for name in ("CUDA_HOME", "CUDA_PATH") if variables.get(name)]
    places = [os.path.join(home, "bin") for home in homes]  # noqa: PTH118
    return first(("nvcc",), [*places, *folders, str(root / "usr/local/cuda/bin")])


def nvcc_version(nvcc: str) -> str:
    """Return the CUDA release of an nvcc from the files of its toolkit, else by asking it."""
    real = Path(nvcc).resolve()
    toolkits = [real.parent.parent]
    wrapped = wrapped_nvcc(read(real, 512) or "")  # a script in front of it, as Debian has one
    if wrapped:
        toolkits.append(Path(wrapped).resolve().parent.parent)
    for toolkit in toolkits:
        told = (
            from_version_json(read(toolkit / "version.json") or "")
            or from_version_txt(read(toolkit / "version.txt") or "")
            or from_header(read(toolkit / "include/cuda.h") or "")
        )
        if told:
            return told
    from tunedoctor.child import run  # noqa: PLC0415

    return from_nvcc(run([nvcc, "--version"], timeout=2, limit=4096).out)


def wrapped_nvcc(text: str) -> str:
    """Return the nvcc that a shell script starts; "" where the text is no script."""
    found = re.search(r"^exec\s+[\"']?(/[^\s\"']+/nvcc)\b", text, re.MULTILINE)
    return found[1] if found and text.startswith("#!") else ""


def from_version_json(text: str) -> str:
    """Read version.json of a CUDA toolkit (11.1 and newer); "" where it tells nothing."""
    try:
        data: Any = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return ""
    for part in ("cuda_nvcc", "cuda"):
        try:
            return _release(str(data[part]["version"]))
        except (KeyError, TypeError, IndexError):
            continue
    return ""


def from_header(text: str) -> str:
    """Read cuda.h, which lies beside an nvcc from conda too: CUDA_VERSION 12040 is 12.4."""
    found = re.search(r"#define\s+CUDA_VERSION\s+(\d{4,6})\b", text)
    return f"{int(found[1]) // 1000}.{int(found[1]) % 1000 // 10}" if found else ""


def from_version_txt(text: str) -> str:
    """Read version.txt of an older toolkit: "CUDA Version 10.2.89"."""
    found = re.search(r"CUDA Version (\S+)", text)
    return _release(found[1]) if found else ""


def from_nvcc(text: str) -> str:
    """Read what `nvcc --version` prints: "Cuda compilation tools, release 12.4, V12.4.131"."""
    found = re.search(r"\brelease (\S+?),", text)
    return _release(found[1]) if found else ""


def _release(version: str) -> str:
    found = re.match(r"\d{1,3}\.\d{1,3}", version)
    return found[0] if found else ""
