import re

from tunedoctor import api

OTHERS = [f"/{tool}" for tool in ("nvcc", "rocm", "oneapi", "ninja")]
"""Builds that lack a tool other than a C compiler."""


@api.check("compiler-missing")
def compiler_missing(facts: api.Facts) -> api.Finding | None:
    """Use an error first; otherwise find Triton and a GPU without a compiler on Linux."""
    error = facts.heard()
    if other := facts.if_heard(*OTHERS):
        return other
    if "-lcuda" in error:
        return facts.worded("/libcuda", said=error)
    version = next(filter(None, map(facts.packages.version, api.TRITON)), "")
    gpu, linux = facts.nvidia or facts.amd, facts.host.os in ("linux", "")
    lacks = facts.compilers and facts.compilers.cc == "" and not facts.environment.get("CC")
    if not error and not (lacks and version and gpu and linux):
        return None
    system = f":{facts.host.distro if facts.host else 'debian'}"
    cases = ":said" if error else ":not-on-path", ":windows" if _windows(facts, error) else system
    return facts.worded(*cases, ":root", said=error, version=version)


def _windows(facts: api.Facts, error_text: str) -> bool:
    """Recognise Windows by the system, the error text or a file in its traceback."""
    if facts.host:
        return facts.host.os == "windows"
    files = (frame.file for error in facts.errors.errors for frame in error.frames)
    drive = facts.expression("/drive")
    return facts.search("/of-windows", error_text) is not None or any(
        drive.match(file) for file in files
    )


@api.check("toolkit-build-mismatch")
def toolkit_build_mismatch(facts: api.Facts) -> api.Finding | None:
    """Use an error first; versions alone are a note, and only with DeepSpeed installed."""
    if refused := facts.if_heard(*(f"/{part}" for part in ("host", "arch", "standard"))):
        return refused
    cuda, nvcc = facts.torch.cuda, facts.compilers.nvcc_version
    if own := facts.matched("/own-build"):
        # an extension compiled here by an nvcc newer than the CUDA runtime that torch uses
        case = "/newer-nvcc:home" if cuda else ""
        error = f"undefined symbol: {own['symbol']}, version {own['library']}"
        return facts.worded(case, "/newer-nvcc", said=error, library=own["library"])
    error = facts.heard()
    differ = bool(cuda and nvcc) and api.parts(cuda)[:1] != api.parts(nvcc)[:1]
    if not error and not (differ and facts.packages.get("deepspeed")):
        return None
    stated = facts.search("/wanted", error)
    release = ".".join(map(str, api.parts(cuda)[:2])) or (stated[1] or stated[2] if stated else "")
    return facts.worded(
        ":differ" if differ else "", ":release" if release else ":else", said=error, release=release
    )


OF_TORCH = api.expression("extension-abi-mismatch/of-torch")
PROCEDURE = api.expression("extension-abi-mismatch/procedure")
NOT_THESE = ("/torch/lib/", "libcudnn", "torchvision", "torchaudio", "/torch/_C")
"""Other checks report these."""
REINSTALL = "Reinstall the extension named before 'undefined symbol', built for this torch"
OWN = ("flash_attn", "xformers", "vllm", "bitsandbytes", "torchao", "deepspeed", "causal_conv1d")
DISTRIBUTIONS = {
    module: module.replace("_", "-")
    for module in (*OWN, "mamba_ssm", "torch_scatter", "torch_sparse")
}
DISTRIBUTIONS["selective_scan"] = "mamba-ssm"
"""Part of a path -> the distribution that installs it."""
REBUILD = ("--no-build-isolation", "--no-cache-dir", "--force-reinstall", "--no-deps")


@api.check("extension-abi-mismatch")
def extension_abi_mismatch(facts: api.Facts) -> api.Finding | None:
    """Read the missing symbol; without an error, compare the label of flash-attn."""
    for error in facts.errors.errors:
        match = facts.search("/undefined", error.text)
        if match is None or facts.expression("/of-sycl").match(match[2]):
            continue
        path = f"/{match[1]}".replace("\\", "/")
        if not any(part in path for part in NOT_THESE):
            return _from_symbol(facts, match[1], match[2])
    if match := PROCEDURE.search(api.told(facts.errors, PROCEDURE.pattern)):
        return _from_symbol(facts, match[1], "")
    if match := OF_TORCH.search(api.told(facts.errors, rf"(?<!: )(?<!\w){OF_TORCH.pattern}")):
        # the installed extension, or how to find it
        name = next((n for n in DISTRIBUTIONS.values() if facts.packages.version(n)), "")
        key, symbol = "/from-bare-symbol", match[1]
        cure = _rebuild(facts, name) if name else api.advise(REINSTALL)
        return facts.worded(key, said=f"undefined symbol: {symbol}", cure=cure, symbol=symbol[:90])
    if message := facts.heard():
        return facts.worded("/deepspeed", said=message, cure=_rebuild(facts, "deepspeed"))
    version = facts.packages.version("flash-attn")
    label = re.search(r"torch(\d+\.\d+)", version.partition("+")[2])
    if not facts.torch or label is None or label[1] == api.minor(facts.torch.version):
        return None
    return facts.worded(
        "/label", cure=_rebuild(facts, "flash-attn"), version=version, label=label[1]
    )


def _from_symbol(facts: api.Facts, path: str, symbol: str) -> api.Finding:
    """Report an extension; Windows names no symbol, and a module instead of a path."""
    stem = path.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    # pip gets no guess for an unknown folder
    tops = facts.expression("/installed").findall(path)
    distribution = next((DISTRIBUTIONS[n] for n in DISTRIBUTIONS if n in path or n == stem), "")
    distribution = distribution or (api.distribution_of(tops[-1]) if tops else "")
    name = distribution or stem.lstrip("_") or "extension"
    # the ABI of PyTorch's own Linux wheels; conda's differ
    last = "<2.6" if facts.torch.variant == "cu126" else "<2.7"
    old, case = facts.torch and api.within(facts.torch.version, last), ""
    if "__cxx11" in symbol and (not facts.torch or old):
        case = "/symbol:new"
    elif facts.torch and not old and re.search(r"(?:ERKSs|Ss)", symbol):
        case = "/symbol:old"
    return facts.worded(
        case,
        f"/symbol:{name}" if name == "flash-attn" else "",
        "/symbol",
        cure=_rebuild(facts, distribution) if distribution else api.advise(REINSTALL),
        name=name,
        what=f"{name} {facts.packages.version(name)}".strip(),
        stem=stem,
        file=f"{stem}.so" if symbol else f"{stem}.pyd",
        symbol=symbol[:90],
    )


def _rebuild(facts: api.Facts, name: str) -> api.Cure:
    plain = facts.packages.version(name).partition("+")[0]
    return facts.pip("install", *REBUILD, f"{name}=={plain}" if plain else name)
