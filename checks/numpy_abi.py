from tunedoctor import api

WINDOWS_SINCE = "2.4.1"
"""First torch for Windows that was built for NumPy 2; elsewhere 2.3. Source: torch_wheels.json, numpy."""
COMPILED = frozenset(
    {"torch", "torchvision", "torchaudio", "pyarrow", "pandas", "tokenizers", "datasets"}
)


@api.check("numpy-abi")
def numpy_abi(facts: api.Facts) -> api.Finding | None:
    """Known pairs and an old torch first, then caps that the stack declares, then errors."""
    every = api.pairs_of("numpy-abi", facts)
    pairs = [one for one in every if one.row.id != "numpy-2-abi-any"]
    numpy = facts.packages.version("numpy")
    two = api.release(numpy)[:1] >= (2,)
    said = facts.heard("numpy-abi") or _warned(facts)
    if pairs and not (said and pairs[0].row.trigger == "symptom"):
        return api.pair_finding(facts, pairs, said)
    capped = _capped(facts, numpy)
    windows = two and facts.host.os == "windows"
    old = windows and api.within(facts.torch.version, f"<{WINDOWS_SINCE}")
    if not old and not capped and not said:
        return _declared(facts, numpy)
    one_of_1 = numpy and not two and not old and not capped
    if one_of_1 and api.expression("numpy-abi/bridge").match(said):
        # a NumPy 1 that is older than the one torch was built for: NumPy 2 is not the reason
        return facts.worded("numpy-abi/bridge", said=said, numpy=numpy)
    return facts.worded(
        "numpy-abi:windows" if old else "numpy-abi:capped" if capped else "",
        "numpy-abi",
        "numpy-abi:younger" if not capped and _numpy_is_older(facts) else "numpy-abi:older",
        said=said,
        numpy=numpy,
        by=capped,
        wanted=capped.wanted if capped else "numpy<2",
    )


def _warned(facts: api.Facts) -> str:
    """Return the warning of an import that went on without NumPy."""
    bridge = facts.runtime.stage("numpy bridge")
    failed = bridge.error if bridge is not None and bridge.outcome == "failed" else ""
    for text in filter(None, (*facts.runtime.warnings, failed)):
        if api.expression("numpy-abi/without").search(text):
            return text.strip().splitlines()[0].strip()[:120]
    return ""


def _capped(facts: api.Facts, numpy: str) -> api.Unmet | None:
    """Return what a compiled package of the stack that no NumPy 2 fits requires."""
    own = (facts.packages, facts.interpreter, facts.host, facts.torch)
    for one in api.unmet(*own, names=COMPILED):
        two = one.installed and api.release(numpy)[:1] >= (2,)
        if one.name == "numpy" and two and api.within("2.0.0", one.specifier) is False:
            return one
    return None


def _numpy_is_older(facts: api.Facts) -> bool:
    """Tell a binary that was built for a younger NumPy than the one that runs, both of them 1.x or both 2.x.

    A dtype of NumPy 1 takes 96 bytes and one of NumPy 2 takes 88: there the NumPy that runs is the younger one.
    """
    if stated := facts.matched("numpy-abi/api"):
        built, runs = stated[1], stated[2]
        return len(built) == len(runs) and int(built, 16) % 0x1000000 > int(runs, 16) % 0x1000000
    sizes = facts.matched("numpy-abi/sizes")
    return sizes is not None and sizes[1] != "96" and int(sizes[1]) > int(sizes[2])


def _declared(facts: api.Facts, numpy: str) -> api.Finding | None:
    """Tell of further packages that declare a NumPy below 2."""
    for one in facts.packages.distributions if numpy else ():
        for line in one.requires if one.name not in COMPILED else ():
            wanted = line[5:].strip().strip("()").replace(" ", "")
            plain = line.startswith("numpy") and ";" not in line and "<2" in wanted
            if plain and api.within(numpy, wanted) is api.within("2.0.0", wanted) is False:
                return facts.worded("numpy-abi/declared", owner=one, wanted=wanted, numpy=numpy)
    return None
