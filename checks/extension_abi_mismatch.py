import re

from tunedoctor import api

OF_TORCH = api.expression("extension-abi-mismatch/of-torch")
PROCEDURE = api.expression("extension-abi-mismatch/procedure")
NOT_THESE = ("/torch/lib/", "libcudnn", "torchvision", "torchaudio", "/torch/_C")
"""They have checks of their own."""
ANEW = "Install the extension in front of 'undefined symbol' anew, for this torch"
OWN = ("flash_attn", "xformers", "vllm", "bitsandbytes", "torchao", "deepspeed", "causal_conv1d")
NAMED = {one: one.replace("_", "-") for one in (*OWN, "mamba_ssm", "torch_scatter", "torch_sparse")}
NAMED["selective_scan"] = "mamba-ssm"
"""Part of a path -> what brings it."""
REBUILD = ("--no-build-isolation", "--no-cache-dir", "--force-reinstall", "--no-deps")


@api.check("extension-abi-mismatch")
def extension_abi_mismatch(facts: api.Facts) -> api.Finding | None:
    """Read the symbol that is missing; without an error, the label of flash-attn."""
    for error in facts.errors.errors:
        found = api.expression("extension-abi-mismatch/undefined").search(error.text)
        if found is None or api.expression("extension-abi-mismatch/of-sycl").match(found[2]):
            continue
        path = f"/{found[1]}".replace("\\", "/")
        if not any(part in path for part in NOT_THESE):
            return _from_symbol(facts, found[1], found[2])
    if found := PROCEDURE.search(api.told(facts.errors, PROCEDURE.pattern)):
        return _from_symbol(facts, found[1], "")
    if found := OF_TORCH.search(api.told(facts.errors, rf"(?<!: )(?<!\w){OF_TORCH.pattern}")):
        # the extension that is installed, or how to find it
        name = next((n for n in NAMED.values() if facts.packages.version(n)), "")
        key, symbol = "extension-abi-mismatch/from-bare-symbol", found[1]
        cure = _rebuild(facts, name) if name else api.advise(ANEW)
        return facts.worded(key, said=f"undefined symbol: {symbol}", cure=cure, symbol=symbol[:90])
    if said := facts.heard("extension-abi-mismatch"):
        key, cure = "extension-abi-mismatch/deepspeed", _rebuild(facts, "deepspeed")
        return facts.worded(key, said=said, cure=cure)
    version = facts.packages.version("flash-attn")
    label = re.search(r"torch(\d+\.\d+)", version.partition("+")[2])
    if not facts.torch or label is None or label[1] == api.minor(facts.torch.version):
        return None
    return facts.worded(
        "extension-abi-mismatch/label",
        cure=_rebuild(facts, "flash-attn"),
        version=version,
        label=label[1],
    )


def _from_symbol(facts: api.Facts, path: str, symbol: str) -> api.Finding:
    """Tell of an extension; Windows names no symbol, and a module in place of a path."""
    stem = path.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    # of a folder that is not known no guess is given to pip
    tops = api.expression("extension-abi-mismatch/installed").findall(path)
    of = next((NAMED[n] for n in NAMED if n in path or n == stem), "")
    of = of or (api.distribution_of(tops[-1]) if tops else "")
    name = of or stem.lstrip("_") or "extension"
    # the ABI of PyTorch's own Linux wheels; conda's differ
    last = "<2.6" if facts.torch.variant == "cu126" else "<2.7"
    old, case = facts.torch and api.within(facts.torch.version, last), ""
    if "__cxx11" in symbol and (not facts.torch or old):
        case = "extension-abi-mismatch/symbol:new"
    elif facts.torch and not old and re.search(r"(?:ERKSs|Ss)", symbol):
        case = "extension-abi-mismatch/symbol:old"
    return facts.worded(
        case,
        f"extension-abi-mismatch/symbol:{name}" if name == "flash-attn" else "",
        "extension-abi-mismatch/symbol",
        cure=_rebuild(facts, of) if of else api.advise(ANEW),
        name=name,
        what=f"{name} {facts.packages.version(name)}".strip(),
        stem=stem,
        file=f"{stem}.so" if symbol else f"{stem}.pyd",
        symbol=symbol[:90],
    )


def _rebuild(facts: api.Facts, name: str) -> api.Cure:
    plain = facts.packages.version(name).partition("+")[0]
    return facts.pip("install", *REBUILD, f"{name}=={plain}" if plain else name)
