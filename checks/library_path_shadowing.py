import re

from tunedoctor.api import (
    Facts,
    Finding,
    LibraryShadow,
    TorchBuild,
    check,
    cxx_too_old,
    heard,
    listed,
    parts,
    pep440,
    release_row,
    told,
    unset_variable,
    worded,
)

SUBLIBRARY = "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"
"""Parts of two cuDNNs are loaded: one of a search path or of the system, or of wheels that do not go together."""
EITHER_WAY = frozenset({"libstdc++", "libgomp", "libiomp5"})
"""Newer is as good as the own one: only an older one breaks."""


@check("library-path-shadowing")
def library_path_shadowing(facts: Facts) -> Finding | None:
    """Compare the versions of the file that wins and of the wheel's own."""
    cxx = cxx_too_old(facts.errors, conda=_of_conda(facts))
    if cxx is not None and cxx.whose == "system before conda":
        return _cxx(cxx.found, cxx.said)
    said = heard(facts.errors, "library-path-shadowing") or told(facts.errors, SUBLIBRARY)
    shadows = [s for s in (facts.library_path.shadows) if _matters(s)]
    if not shadows:
        return _from_error(facts, said, settle=_open(facts, said)) if said else None
    first = next((s for s in shadows if s.library == "libcuda"), shadows[0])
    others = [s for s in shadows if s is not first]
    gpu_build = facts.torch.accelerator in ("cuda", "rocm")
    used = gpu_build or facts.cuda_wheels or first.library == "libcuda"
    # it was run and everything on the GPU went well: the foreign library does
    ran = facts.runtime.gpu_available is True and all(
        s.outcome == "ok" for s in facts.runtime.stages
    )
    severity = "error" if used and not ran else "warning" if used else "note"
    if not first.own and first.library != "libcuda":
        # nothing to compare with: it stands in for the wheel's own, or for one that was taken out
        if not _wheel_of_pytorch(facts.torch) or (gpu_build and ran):
            return _from_error(facts, f"{said}'; it is '{first.path}") if said else None
        broken = any(s.outcome in ("failed", "crashed") for s in facts.runtime.stages)
        severity = "error" if gpu_build and broken else "warning" if gpu_build else "note"
    return Finding(
        severity=severity,  # type: ignore[arg-type]
        title=f"LD_LIBRARY_PATH puts a foreign {first.library} first"
        if len(first.library) < 20
        else "",
        found=_pair(first) + (f"; also {listed(s.library for s in others)}" if others else ""),
        means="the driver is replaced by a stub: 'CUDA driver is a stub library', and no GPU is seen"
        if first.library == "libcuda"
        else f"torch loads another {first.library} than it was built with: "
        + (f"'{said}'" if said else "'undefined symbol', or a cuDNN error in the first step"),
        cure=unset_variable(facts.host, "LD_LIBRARY_PATH"),
        cure_note="in the shell that starts the training, and in its profile; wheels bring their own libraries",
        evidence=tuple(s.path for s in shadows[:4]),
    )


def _of_conda(facts: Facts) -> bool:
    return facts.interpreter.kind == "conda"


def _cxx(found: str, said: str) -> Finding:
    """Suspect a search path, or a module that came first, where the environment has a C++ library of its own."""
    return worded("library-path-shadowing/cxx", found=found, said=said)


def _wheel_of_pytorch(build: TorchBuild) -> bool:
    """Tell a release wheel, which brings its own cuDNN, from builds of conda and of vendors."""
    version = pep440(build.version)
    return (
        not build.conda
        and version is not None
        and not version.is_prerelease
        and release_row(build.version) is not None
    )


def _matters(shadow: LibraryShadow) -> bool:
    """Tell a library that differs, or that nobody can compare, from one of the same version."""
    mine, theirs = parts(shadow.own_version), parts(shadow.version)
    size = min(len(mine), len(theirs))
    same = size > 1 and mine[:size] == theirs[:size]
    if shadow.library in EITHER_WAY:
        return bool(mine and theirs) and theirs < mine
    return not same


def _pair(shadow: LibraryShadow) -> str:
    wins = f"{shadow.path} ({shadow.version})" if shadow.version else shadow.path
    if not shadow.own:
        whose = "the driver's own" if shadow.library == "libcuda" else "any that torch brings"
        return f"{wins} wins over {whose}"
    own = f"{shadow.own} ({shadow.own_version})" if shadow.own_version else shadow.own
    return f"{wins} wins over {own}"


def _open(facts: Facts, said: str) -> str:
    """Return the command that tells a search path from wheels of two releases, where the text shows neither."""
    folders = (facts.environment.get("LD_LIBRARY_PATH")) or ""
    shown = re.search(r"cudnn|cuda|/usr/lib|/usr/local", folders) if SUBLIBRARY in said else folders
    if shown or "stub" in said or heard(facts.errors, "library-path-shadowing/open"):
        return ""
    return SETTLE


SETTLE = "echo $LD_LIBRARY_PATH; python -m pip list | grep -i nvidia"


def _from_error(facts: Facts, said: str, *, settle: str = "") -> Finding:
    return worded("library-path-shadowing/from-error", said=said, settle=settle, host=facts.host)
