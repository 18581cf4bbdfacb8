import re

from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    TorchBuild,
    advise,
    check,
    distribution_of,
    expression,
    heard,
    minor,
    pip,
    told,
    within,
    worded,
)

OF_TORCH = expression("extension-abi-mismatch/of-torch")
PROCEDURE_NAME = "a procedure"
PROCEDURE = expression("extension-abi-mismatch/procedure")
NOT_THESE = ("/torch/lib/", "libcudnn", "torchvision", "torchaudio", "/torch/_C")
"""They have checks of their own."""
ANEW = "Install the extension in front of 'undefined symbol' anew, for this torch"
NAMED = {"flash_attn": "flash-attn", "flash_attn_2_cuda": "flash-attn", "xformers": "xformers"} | {
    "vllm": "vllm",
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "deepspeed": "deepspeed",
    "causal_conv1d": "causal-conv1d",
    "mamba_ssm": "mamba-ssm",
    "torch_scatter": "torch-scatter",
    "torch_sparse": "torch-sparse",
    "selective_scan": "mamba-ssm",
}


@check("extension-abi-mismatch")
def extension_abi_mismatch(facts: Facts) -> Finding | None:
    """Read the symbol that is missing; without an error, the label of flash-attn."""
    for error in facts.errors.errors:
        found = expression("extension-abi-mismatch/undefined").search(error.text)
        if found and expression("extension-abi-mismatch/of-sycl").match(found[2]):
            continue
        path = f"/{found[1]}".replace("\\", "/") if found else ""
        if found and not any(part in path for part in NOT_THESE):
            return _from_symbol(facts, found[1], found[2])
    if found := PROCEDURE.search(told(facts.errors, PROCEDURE.pattern)):
        return _from_symbol(facts, found[1], PROCEDURE_NAME)
    if found := OF_TORCH.search(told(facts.errors, rf"(?<!: )(?<!\w){OF_TORCH.pattern}")):
        return _from_bare_symbol(facts, found[1])
    if said := heard(facts.errors, "extension-abi-mismatch"):
        return worded(
            "extension-abi-mismatch/deepspeed",
            said=said,
            cure=_rebuild(facts, "deepspeed", ""),
        )
    version = facts.packages.version("flash-attn")
    label = re.search(r"torch(\d+\.\d+)", version.partition("+")[2])
    if not facts.torch or label is None or label[1] == minor(facts.torch.version):
        return None
    return worded(
        "extension-abi-mismatch/label",
        found=f"flash-attn {version} was built for torch {label[1]}; torch {facts.torch.version} is installed",
        cure=_rebuild(facts, "flash-attn", version),
    )


def _from_symbol(facts: Facts, path: str, symbol: str) -> Finding:
    stem = path.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    of = next((NAMED[n] for n in NAMED if n in path or n == stem), "") or _brought_by(path)
    name = of or stem.lstrip("_") or "extension"
    version = facts.packages.version(name)
    what = f"{name} {version}".strip()
    new = "__cxx11" in symbol
    own = f"torch {facts.torch.version}" if facts.torch else "this torch"
    old_torch = _old_abi(facts.torch)
    if new and (not facts.torch or old_torch):
        why = f"it was built for the new C++ ABI, and {own} has the old one"
    elif facts.torch and not old_torch and re.search(r"(?:ERKSs|Ss)", symbol):
        why = f"it was built for the old C++ ABI, and {own} has the new one"
    else:
        why = f"it was built for another torch than {own}"
    file = f"{stem}.pyd" if symbol == PROCEDURE_NAME else f"{stem}.so"
    return Finding(
        title=f"{name} belongs to another PyTorch" if len(name) < 36 else "",
        found=f"{file} wants {symbol[:90]}, which torch does not have; {what}: {why}",
        means=f"import {stem} stops with 'undefined symbol', and what imports it does",
        cure=_rebuild(facts, of, version) if of else advise(ANEW),
        cure_note="compiles it for this torch, which needs nvcc of torch's CUDA; "
        + (
            "or attn_implementation='sdpa'"
            if name == "flash-attn"
            else "or its wheel for this torch"
        ),
    )


def _brought_by(path: str) -> str:
    """Return the distribution in whose folder a file lies; "" where it is not known: no guess is given to pip."""
    tops = expression("extension-abi-mismatch/installed").findall(path)
    return distribution_of(tops[-1]) if tops else ""


def _from_bare_symbol(facts: Facts, symbol: str) -> Finding:
    """Suspect the extension that is installed, or say how to find it."""
    name = next((n for n in NAMED.values() if facts.packages.version(n)), "")
    version = facts.packages.version(name) if facts.packages and name else ""
    return worded(
        "extension-abi-mismatch/from-bare-symbol",
        said=f"undefined symbol: {symbol}",
        cure=_rebuild(facts, name, version) if name else advise(ANEW),
        symbol=symbol[:90],
    )


def _old_abi(torch: TorchBuild) -> bool:
    """Tell the ABI of PyTorch's own Linux wheels; conda's differ."""
    if within(torch.version, "<2.6"):
        return True
    return within(torch.version, "<2.7") is True and torch.variant != "cu126"


def _rebuild(facts: Facts, name: str, version: str) -> Cure:
    plain = version.partition("+")[0]
    return pip(
        facts.interpreter,
        "install",
        "--no-build-isolation",
        "--no-cache-dir",
        "--force-reinstall",
        "--no-deps",
        f"{name}=={plain}" if plain else name,
    )
