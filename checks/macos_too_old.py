from tunedoctor import api

MPS_FLOOR = (("2.9", "14.0"), ("2.5", "13.0"), ("1.12", "12.3"))
"""torch -> macOS that MPS needs. Source: reports confirmed against platform tags of the wheels."""


@api.check("macos-too-old")
def macos_too_old(
    facts: api.Facts,
    host: api.Host | api.Unknown | None,
    torch: api.TorchBuild | api.Unknown | None,
) -> api.Result:
    """Compare with the floor of the wheel and of MPS."""
    have, own = facts.host.macos_version, facts.interpreter
    why, wanted = api.refused(facts.index_answer, own, facts.host), _wanted(have)
    if why is not None and why.cause == "macos-too-old":
        cure = api.torch_install(facts, wanted).cure
        return facts.worded("macos-too-old/refused", found=why.found, cure=cure)
    said = facts.heard("macos-too-old")
    floor = _floor(facts) if facts.torch else ""
    arm = own.machine in ("arm64", "")
    below = bool(have and floor and arm) and not api.at_least(have, floor)
    if not said and not (below and facts.host.os == "macos"):
        asked = torch if facts.host.os == "macos" else host
        return asked if isinstance(asked, api.Unknown) else None
    named = api.expression("macos-too-old/named").search(said)
    if named and have and not api.at_least(have, named[1]):
        floor = floor if below else ""
    elif said and have and floor and api.at_least(have, floor):
        return None
    older = api.torch_install(facts, wanted) if facts.torch and below else None
    fits = older is not None and older.version
    return facts.worded(
        "macos-too-old/older" if fits else "",
        "macos-too-old:floor" if floor else "",
        "macos-too-old",
        said=said,
        cure=older.cure if older and fits else None,
        floor=floor,
    )


def _floor(facts: api.Facts) -> str:
    """Return the higher of both floors."""
    own, version = facts.interpreter, facts.torch.version
    wheel = api.macos_floor(version, api.python_tag(own)) if own else ""
    mps = next((f for since, f in MPS_FLOOR if api.release(version) >= api.release(since)), "")
    return max((f for f in (wheel, mps) if f), key=api.release, default="")


def _wanted(have: str) -> str:
    """Return the releases whose MPS runs on this macOS; "" where all do, or none."""
    above = [since for since, floor in MPS_FLOOR if not api.at_least(have, floor)]
    return f"<{above[-1]}" if above and len(above) < len(MPS_FLOOR) else ""
