from tunedoctor import api

NEAREST = ">=0.50.0"
"""Releases that take a binary of the same CUDA major."""
TORCHAO_FOR = {
    "2.7": "0.12.0",
    "2.8": "0.13.0",
    "2.9": "0.14.1",
    "2.10": "0.16.0",
    "2.11": "0.17.0",
}
"""torch -> the torchao built for it. Source: torchao's own message and its release notes."""
MINE = frozenset({"torchao", "bitsandbytes"})
ID = "quantisation-library-mismatch"


@api.check(ID)
def quantisation_library_mismatch(facts: api.Facts) -> api.Finding | None:
    """Known pairs, then the binary for the build's CUDA, then what an error says."""
    if pairs := api.pairs_of(ID, facts):
        return api.pair_finding(facts, pairs[:1])
    version, said = facts.packages.version("bitsandbytes"), facts.heard(ID)
    lacks = _lacks(facts, version)
    if lacks or said:
        key = "quantisation-library-mismatch/no-binary" if lacks else ID
        return facts.worded(key, said=said, lacks=lacks, version=version)
    check_ = api.pip_line(facts.interpreter, "check")
    for part, settle in (("misfit", ""), ("suspected", check_)):
        for one in api.misfits(facts.errors, loosely=part == "suspected"):
            if mine := MINE & {one.owner, one.other}:
                cure = _fitting(facts, max(mine), facts.torch.version)
                key, said = f"{ID}/{part}", one.said
                return facts.worded(key, said=said, cure=cure, settle=settle, one=one)
    if kernels := facts.matched("quantisation-library-mismatch/kernels"):
        said, listing = kernels[0].strip(" :-")[:140], api.pip_line(facts.interpreter, "list")
        return facts.worded("quantisation-library-mismatch/kernels", said=said, settle=listing)
    skipped = facts.heard("quantisation-library-mismatch/torchao")
    if not skipped:
        return None
    asked = facts.matched("quantisation-library-mismatch/torch")
    torch = facts.torch.version or (asked[1] if asked else "")
    own = api.minor(torch) in TORCHAO_FOR
    case = "quantisation-library-mismatch/torchao:own" if own else ""
    key, version = "quantisation-library-mismatch/torchao", facts.packages.version("torchao")
    cure = _fitting(facts, "torchao", torch)
    return facts.worded(key, case, said=skipped, cure=cure, version=version)


def _lacks(facts: api.Facts, version: str) -> str:
    """Tell that a release holds no binary for the build's CUDA; "" where it does or nobody knows."""
    other = facts.host and (facts.host.os, facts.host.machine) != ("linux", "x86_64")
    codes = api.bitsandbytes_cuda(version) if version else ()
    cuda = facts.torch.cuda if facts.torch.accelerator == "cuda" else ""
    if not cuda or other or not codes or facts.environment.get("BNB_CUDA_VERSION"):
        return ""
    wanted = int("".join(map(str, api.parts(cuda)[:2])))
    near = api.within(version, NEAREST) is True
    if wanted in codes or (near and any(code // 10 == wanted // 10 for code in codes)):
        return ""
    have = api.listed((f"{code // 10}.{code % 10}" for code in codes[-3:]), 3)
    return f"{facts.torch.named} is built for CUDA {cuda}; bitsandbytes {version} has binaries up to {have}"


def _fitting(facts: api.Facts, name: str, torch: str) -> api.Cure:
    own = TORCHAO_FOR.get(api.minor(torch), "") if torch and name == "torchao" else ""
    return facts.pip("install", *([f"{name}=={own}"] if own else ["--upgrade", name]))
