"""bitsandbytes or torchao does not fit the installed torch, triton or GPU.

What it means
    bitsandbytes brings one binary for each CUDA release. Up to 0.49 it takes the one of torch's own CUDA or none;
    from 0.50 on the nearest of the same major. Without it 4-bit and 8-bit loading stop. Old releases also import
    what triton no longer has.

How it is found
    The list of binaries in each release against the CUDA of the torch build, known pairs, and what errors say.
    Nothing is run.

Cures
    A bitsandbytes that has the binary.

When to ignore it
    torchao's line about skipped C++ extensions, while its int4 and fp8 kernels are not used.

Seen as
    CUDA Setup failed despite GPU being available
    CUDA VERSION MISMATCH
    Configured CUDA binary not found at
    No module named 'triton.ops'
    BNB_CUDA_VERSION='': value must be digits only
    Skipping import of cpp extensions due to incompatible torch version
"""

import re

from tunedoctor.api import (
    Broken,
    Cure,
    Environment,
    Errors,
    Finding,
    Host,
    Interpreter,
    Packages,
    TorchBuild,
    Unknown,
    bitsandbytes_cuda,
    brief,
    broken_pairs,
    check,
    known,
    listed,
    merged,
    minor,
    misfits,
    parts,
    pattern,
    pinned,
    pip,
    python,
    together,
    told,
    unset_variable,
    within,
)

NEAREST = ">=0.50.0"
"""Releases that take a binary of the same CUDA major."""

SAID = (
    r"CUDA VERSION MISMATCH(?!!)",  # DeepSpeed's own is told by the check of its extension
    r"Configured (?:CUDA|ROCm|XPU) binary not found",
    r"No compatible (?:CUDA|ROCm|XPU) (?:binary found at|library found \(tried: libbitsandbytes)",
    r"BNB_(?:CUDA|ROCM)_VERSION=[^\s:]{0,20}: value must be digits",
    r"bitsandbytes native library did not load",
    r"Could not load bitsandbytes native library(?!.{0,300}(?:GLIBC|CXXABI))",
    r"CUDA SETUP: Required library version not found",
    r"(?:^|\s)Library not found: \S{1,300}libbitsandbytes_\w+",  # 0.43
    r"libbitsandbytes_\w+\.(?:so|dll): undefined symbol",
    r"libbitsandbytes_\w+\.so: lib[\w+-]+\.so[.\d]* => not found; torch loads",
    r"CUDA SETUP: (?:Setup Failed|CUDA detection failed|Something unexpected happened)",
    r"installed version of bitsandbytes was compiled without GPU support",
    r"Forgot to compile the bitsandbytes library",
    r"use bitsandbytes native library functionality but it's not available",
    r"function 'c(?:adam|lion|momentum|rmsprop|quantize|dequantize|gemm|igemm|get)\w*' not found",
    r"name '(?:str2optimizer\w{2,30}|cuda_setup|igemmlt)' is not defined",
    r"(?:Could not run|The operator) 'bitsandbytes::\w{1,60}'",
    r"'_OpNamespace' 'bitsandbytes' object has no attribute",
    r"(?:Params4bit|Int8Params)\.__new__\(\) got an unexpected keyword argument '\w{1,40}'",
    r"None of the available devices `available_devices = [^\n`]{1,60}` are supported by the bitsandbytes version",
    r"bitsandbytes version [\d.]{1,20} is too old",
    r"at line \d+ in file /\S{0,60}csrc/ops\.(?:cu|hip)",
    r"'NoneType' object has no attribute 'c(?:adam|lion|momentum|rmsprop|quantize|dequantize|gemm|igemm|get)\w*'",
    r"Could not find the bitsandbytes CUDA binary",
    r"libbitsandbytes_cuda\d+\S*: cannot open shared object",
    r"CUDA Setup failed despite (CUDA|GPU) being available",
    r"[A-Za-z]:\\[^\n]{1,300}\\libbitsandbytes_\w+\.so\b",  # a library of Linux in a Windows folder
    r"at line \d+ in file \S*bitsandbytes\S*ops\.(cu|hip)",
)
TORCHAO = (
    r"Skipping import of cpp extensions due to incompatible torch version",
    r"Please upgrade to torch >= [\d.]+ \(found",
)
KERNELS = (
    pattern(r"name '(?P<kernels>autogptq_cuda_\d{2,3}|exllama_import_exception)' is not defined"),
    pattern(r"name '(?P<kernels>awq_ext)' is not defined"),
    pattern(r"No module named '(?P<kernels>awq_inference_engine|awq_ext|awq_v2_ext)'"),
    pattern(
        r"Trying to use the (?P<kernels>\w{2,20}) backend, but could not import the C\+\+/CUDA dependencies with"
        r" the following error: "
        r"No module named"
    ),
    pattern(
        r"Exllama backend is not installed because the CUDA extension for (?P<kernels>auto-gptq) was not built"
    ),
    pattern(r"(?P<kernels>Marlin) kernels are not installed"),
    pattern(
        r"AutoAWQ could not load (?P<kernels>\w{2,20}) kernels extension\. Details: No module named"
    ),
    pattern(r"No module named 'optimum\.quanto\.library\.extensions\.(?P<kernels>[\w.]{2,40})'"),
    pattern(r"Error building extension '(?P<kernels>quanto_\w{2,20})'"),
    pattern(
        r"'_OpNamespace' '(?:_C|torchao)' object has no attribute '(?P<kernels>\w*(?:marlin|awq|gptq|scaled_"
        r"linear|_mm)\w*)'"
    ),
    pattern(r"(?P<kernels>gptqmodel) requires optimum version"),
    pattern(r"(?:^|[:\s-])(?P<kernels>CUDA) extension not installed\.?$"),
    pattern(
        r"'(?P<kernels>HQQLinear|QuantLinear|WQLinear_GEMM)' object has no attribute '\w{1,40}'"
    ),
)
"""What auto-gptq, autoawq, gptqmodel, hqq and quanto say of compiled parts that do not belong to this torch.

Source: their modules of kernels.
"""
TORCHAO_FOR = {
    "2.7": "0.12.0",
    "2.8": "0.13.0",
    "2.9": "0.14.1",
    "2.10": "0.16.0",
    "2.11": "0.17.0",
}
"""torch -> the torchao built for it. Source: torchao's own message and its release notes."""


@check(
    "quantisation-library-mismatch",
    "The quantisation library does not fit this PyTorch",
    explains=["cuda-library-missing", "library-import-fails"],
)
def quantisation_library_mismatch(  # noqa: PLR0913  pairs, binaries and errors
    packages: Packages | Unknown | None,
    torch: TorchBuild | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    host: Host | Unknown | None,
    environment: Environment | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Known pairs, then the binary for the build's CUDA, then what an error says."""
    there, build = known(packages), known(torch)
    id_ = "quantisation-library-mismatch"
    pairs = broken_pairs(id_, packages, torch, environment, errors)
    if pairs:
        return _from_pair(pairs[0], interpreter, known(host))
    version = there.version("bitsandbytes") if there is not None else ""
    lacks = _lacks(version, build, known(environment), known(host))
    said = told(errors, *SAID)
    if lacks:
        return Finding(
            title="bitsandbytes has no binary for the CUDA of this torch",
            found=lacks + (f"; '{said}' was printed" if said else ""),
            said=said,
            means="loading in 4 or 8 bits stops: 'CUDA Setup failed despite GPU being available'",
            cure=pip(interpreter, "install", "--upgrade", f"bitsandbytes{NEAREST}"),
            cure_note="0.1 GB, no reboot",
        )
    if said:
        return Finding(
            title="bitsandbytes cannot run on this PyTorch and GPU",
            found=f"the error '{said}'" + (f", from bitsandbytes {version}" if version else ""),
            said=said,
            means="loading in 4 or 8 bits stops, or its first kernel does",
            cure=pip(interpreter, "install", "--upgrade", f"bitsandbytes{NEAREST}"),
            cure_note="or load the model in bfloat16",
        )
    for one in misfits(errors):
        if {one.owner, one.other} & {"torchao", "bitsandbytes"}:
            mine = "torchao" if "torchao" in (one.owner, one.other) else "bitsandbytes"
            return Finding(
                title=f"{one.owner} and {one.other} do not fit together",
                found=f"the error '{one.said}' in the code of {one.owner}",
                said=one.said,
                means=f"{one.owner} calls what this {one.other} does not have",
                cure=_fitting(mine, build, interpreter),
                cure_note="the release made for this torch",
            )
    if words := _words(errors, build, interpreter):
        return words
    skipped = told(errors, *TORCHAO)
    return _torchao(skipped, build, there, interpreter) if skipped else None


def _words(
    errors: Errors | Unknown | None,
    build: TorchBuild | None,
    interpreter: Interpreter | Unknown | None,
) -> Finding | None:
    """Suspect what an error's words alone speak for: another release, or kernels that were not built."""
    for one in misfits(errors, loosely=True):
        if one.other in ("torchao", "bitsandbytes"):
            return Finding(
                severity="error",
                title=f"{one.other} does not fit the code that calls it",
                found=f"the error '{one.said}'",
                said=one.said,
                means=f"the code was written for another {one.other}: an older one or a newer one",
                cure=_fitting(one.other, build, interpreter),
                cure_note="the release made for this torch",
                settle=f"{python(interpreter)} -m pip check",
            )
    if kernels := _kernels(errors):
        return Finding(
            severity="error",
            title="Compiled kernels of a quantisation library are missing",
            found=f"the error '{kernels}'",
            said=kernels,
            means="a model quantised with GPTQ, AWQ, HQQ or quanto stops, or runs many times slower",
            cure=pip(interpreter, "install", "--upgrade", "gptqmodel", "optimum"),
            cure_note="gptqmodel loads GPTQ and AWQ models; auto-gptq and autoawq get no releases any more",
            settle=f"{python(interpreter)} -m pip list",
        )
    return None


def _kernels(errors: Errors | Unknown | None) -> str:
    """Return what an error says of compiled kernels that are not there."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        for said in KERNELS:
            if found := said.search(error.text):
                return found[0].strip(" :-")[:140]
    return ""


def _from_pair(
    broken: Broken, interpreter: Interpreter | Unknown | None, host: Host | None
) -> Finding:
    row = broken.row
    both = together(broken.versions)
    variable = next(iter(row.env.get("env_var", ())), "")
    return Finding(
        severity=row.severity,
        found=f"{both}: {brief(row.cause)}"
        + (f"; '{broken.said}' was printed" if broken.said else "")
        if both
        else f"the error '{broken.said}'",
        said=broken.said,
        means=f"{'import bitsandbytes' if row.stage == 'import' else 'training'} stops: '{row.says}'",
        cure=unset_variable(host, str(variable))
        if variable
        else pip(interpreter, "install", *pinned(merged([row.fix]))),
        evidence=row.source,
    )


def _lacks(
    version: str, torch: TorchBuild | None, environment: Environment | None, host: Host | None
) -> str:
    """Tell that a release holds no binary for the build's CUDA; "" where it does or nobody knows."""
    if not version or torch is None or torch.accelerator != "cuda" or not torch.cuda:
        return ""
    if host is not None and (host.os != "linux" or host.machine != "x86_64"):
        return ""
    forced = environment.get("BNB_CUDA_VERSION") if environment is not None else None
    codes = bitsandbytes_cuda(version)
    if not codes or forced:
        return ""
    wanted = int("".join(map(str, parts(torch.cuda)[:2])))
    served = wanted in codes or (
        within(version, NEAREST) is True and any(code // 10 == wanted // 10 for code in codes)
    )
    if served:
        return ""
    have = listed((f"{code // 10}.{code % 10}" for code in codes[-3:]), 3)
    return f"torch {torch.version} is built for CUDA {torch.cuda}; bitsandbytes {version} has binaries up to {have}"


def _fitting(
    name: str, torch: TorchBuild | None, interpreter: Interpreter | Unknown | None
) -> Cure:
    own = TORCHAO_FOR.get(minor(torch.version), "") if torch and name == "torchao" else ""
    return pip(interpreter, "install", *([f"{name}=={own}"] if own else ["--upgrade", name]))


def _torchao(
    said: str,
    torch: TorchBuild | None,
    packages: Packages | None,
    interpreter: Interpreter | Unknown | None,
) -> Finding:
    version = packages.version("torchao") if packages is not None else ""
    said_torch = re.search(r"(?:torch version|found) (\d+\.\d+)", said)
    minor_ = minor(torch.version) if torch is not None else said_torch[1] if said_torch else ""
    own = TORCHAO_FOR.get(minor_, "")
    return Finding(
        severity="note",
        title="torchao is built for another PyTorch",
        found=f"torchao {version} says '{said}'".replace("  ", " "),
        said=said,
        means="training goes on; torchao's int4 and fp8 kernels are missing or slow",
        cure=pip(
            interpreter, "install", *([f"torchao=={own}"] if own else ["--upgrade", "torchao"])
        ),
        cure_note="the release made for this torch" if own else "",
    )
