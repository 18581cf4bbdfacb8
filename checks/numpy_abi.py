import re

from tunedoctor.api import (
    Broken,
    Facts,
    Finding,
    brief,
    broken_pairs,
    check,
    heard,
    merged,
    pinned,
    pip,
    release,
    together,
    unmet,
    within,
    worded,
)

WINDOWS_SINCE = "2.4.1"
"""First torch for Windows that was built for NumPy 2; elsewhere 2.3. Source: torch_wheels.json, numpy."""
COMPILED = frozenset(
    {"torch", "torchvision", "torchaudio", "pyarrow", "pandas", "tokenizers", "datasets"}
)


@check("numpy-abi")
def numpy_abi(facts: Facts) -> Finding | None:
    """Known pairs and an old torch first, then caps that the stack declares, then errors."""
    pairs = [
        one
        for one in broken_pairs(
            "numpy-abi", facts.packages, facts.torch, facts.environment, facts.errors
        )
        if one.row.id != "numpy-2-abi-any"
    ]
    numpy = facts.packages.version("numpy")
    said = heard(facts.errors, "numpy-abi") or _warned(facts)
    if pairs and not (said and pairs[0].row.trigger == "symptom"):
        return _from_pair(facts, pairs, said)
    old = _old_on_windows(facts, numpy)
    capped = _capped(facts) if numpy else []
    if old or capped or said:
        owners = list(dict.fromkeys(f"{name} {version}".strip() for name, version, _ in capped))
        if old and facts.torch:
            found = (
                f"torch {facts.torch.version} with NumPy {numpy}; "
                f"torch for Windows before {WINDOWS_SINCE} is built for NumPy 1"
            )
        elif capped:
            found = f"{owners[0]} requires numpy{capped[0][2]}, and numpy {numpy} is installed"
        else:
            found = f"the error '{said}'" + (f", with NumPy {numpy}" if numpy else "")
        if said and (old or capped):
            found += f"; '{said}' was printed"
        if not old and not capped and release(numpy)[:1] == (1,) and re.match(BRIDGE, said):
            return _bridge(facts, said, numpy)
        younger = not capped and _numpy_is_older(said)
        return worded(
            "numpy-abi",
            "numpy-abi:younger" if younger else "numpy-abi:older",
            found=found,
            said=said,
            interpreter=facts.interpreter,
            numpy=f"numpy{capped[0][2]}" if capped else "numpy<2",
        )
    others = _others(facts) if numpy else []
    if not others:
        return None
    return worded(
        "numpy-abi/declared",
        found=f"{others[0][0]} requires numpy{others[0][1]}, and numpy {numpy} is installed",
        cure=pip(facts.interpreter, "install", "--upgrade", others[0][0].split()[0]),
        value=others[0][0].split()[0],
    )


BRIDGE = r"Numpy is not available|Could not infer dtype of numpy"
"""What torch says whenever its bridge to NumPy is off, whatever the reason; its import states that."""


def _bridge(facts: Facts, said: str, numpy: str) -> Finding:
    """Suspect a NumPy 1 that is older than the one torch was built for: NumPy 2 is not the reason."""
    return worded("numpy-abi/bridge", said=said, interpreter=facts.interpreter, numpy=numpy)


def _from_pair(facts: Facts, pairs: list[Broken], said: str) -> Finding:
    first = pairs[0].row
    return Finding(
        severity=first.severity,
        found=f"{together(pairs[0].versions)}: {brief(first.cause)}"
        + (f"; '{said}' was printed" if said else ""),
        said=said,
        means=f"the import, or the first array that goes to torch, stops: '{first.says}'",
        cure=pip(facts.interpreter, "install", *pinned(merged(p.row.fix for p in pairs))),
        cure_note=f"or, to keep the other: {' '.join(pinned(first.fix_alt))}"
        if first.fix_alt
        else "",
        evidence=first.source,
    )


def _warned(facts: Facts) -> str:
    """Return the warning of an import that went on without NumPy."""
    if not facts.runtime:
        return ""
    bridge = facts.runtime.stage("numpy bridge")
    texts = [
        *facts.runtime.warnings,
        bridge.error if bridge is not None and bridge.outcome == "failed" else "",
    ]
    for text in texts:
        if (
            "_ARRAY_API not found" in text
            or "compiled using NumPy 1" in text
            or "Numpy is not available" in text
        ):
            return next(line.strip() for line in text.splitlines() if line.strip())[:120]
    return ""


def _old_on_windows(facts: Facts, numpy: str) -> bool:
    return (
        facts.host.os == "windows"
        and release(numpy)[:1] >= (2,)
        and within(facts.torch.version, f"<{WINDOWS_SINCE}") is True
    )


def _capped(facts: Facts) -> list[tuple[str, str, str]]:
    """Return (owner, its version, specifier) of compiled packages of the stack that no NumPy 2 fits."""
    if not facts.packages:
        return []
    return [
        (one.owner.name, one.owner.version, one.specifier)
        for one in unmet(facts.packages, facts.interpreter, facts.host, facts.torch, names=COMPILED)
        if one.name == "numpy"
        and one.installed
        and within("2.0.0", one.specifier) is False
        and release(one.installed)[:1] >= (2,)
    ]


def _numpy_is_older(said: str) -> bool:
    """Tell a binary that was built for a younger NumPy than the one that runs, both of them 1.x or both 2.x.

    A dtype of NumPy 1 takes 96 bytes and one of NumPy 2 takes 88: there the NumPy that runs is the younger one.
    """
    api = re.search(
        r"against (?:numpy )?(?:C-)?A[PB]I version (0x\w+)(?: \([^()]{1,20}\))? but (?:this version of numpy is|"
        r"the running "
        r"NumPy has C-API version) (0x\w+)",
        said,
        re.IGNORECASE,
    )
    if api:
        return int(api[1], 16) % 0x1000000 > int(api[2], 16) % 0x1000000 and len(api[1]) == len(
            api[2]
        )
    sizes = re.search(r"Expected (\d+) from C header, got (\d+)", said)
    return sizes is not None and sizes[1] != "96" and int(sizes[1]) > int(sizes[2])


def _others(facts: Facts) -> list[tuple[str, str]]:
    """Return ("name version", specifier) of further packages that declare a NumPy below 2."""
    found: list[tuple[str, str]] = []
    for one in facts.packages.distributions:
        if one.name in COMPILED:
            continue
        for line in one.requires:
            if line.startswith("numpy") and ";" not in line:
                specifier = line[5:].strip().strip("()").replace(" ", "")
                numpy = facts.packages.version("numpy")
                if (
                    "<2" in specifier
                    and within(numpy, specifier) is False
                    and within("2.0.0", specifier) is False
                ):
                    found.append((f"{one.name} {one.version}", specifier))
    return found
