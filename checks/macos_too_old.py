from tunedoctor.api import (
    Facts,
    Finding,
    at_least,
    check,
    expression,
    heard,
    macos_floor,
    python_tag,
    refused,
    release,
    tell,
    torch_install,
    worded,
)

MPS_FLOOR = (("2.9", "14.0"), ("2.5", "13.0"), ("1.12", "12.3"))
"""torch -> macOS that MPS needs. Source: reports confirmed against platform tags of the wheels."""


@check("macos-too-old")
def macos_too_old(facts: Facts) -> Finding | None:
    """Compare with the floor of the wheel and of MPS."""
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None and why.cause == "macos-too-old":
        return worded(
            "macos-too-old/refused",
            found=why.found,
            cure=torch_install(
                facts,
                _wanted(facts.host.macos_version),
            ).cure
            or tell("softwareupdate --install --all"),
        )
    said = heard(facts.errors, "macos-too-old")
    have = facts.host.macos_version
    floor = _floor(facts, facts.torch.version)
    arm = facts.interpreter.machine in ("arm64", "")
    below = bool(have and floor and arm) and not at_least(have, floor)
    if not said and not (below and facts.host.os == "macos"):
        return None
    named = expression("macos-too-old/named").search(said)
    if named and have and not at_least(have, named[1]):
        floor = floor if below else ""
    elif said and have and floor and at_least(have, floor):
        return None
    name = f"torch {facts.torch.version}" if facts.torch else "this torch"
    needs = f"{name} needs macOS {floor} for the GPU" if floor else f"the error '{said}'"
    older = torch_install(facts, _wanted(have) if below else "")
    return Finding(
        found=needs + (f"; this is macOS {have}" if have else ""),
        said=said,
        means="torch.backends.mps.is_available() is False, so training runs on the CPU"
        + (f"; '{said}' names an outdated minimum" if said and floor else ""),
        cure=older.cure
        if older.version and facts.torch and below
        else tell("softwareupdate --install --all"),
        cure_note="the last torch for this macOS; or update macOS"
        if older.version and facts.torch and below
        else "yours to run: needs a restart",
    )


def _floor(facts: Facts, version: str) -> str:
    """Return the higher of both floors."""
    wheel = macos_floor(version, python_tag(facts.interpreter)) if facts.interpreter else ""
    mps = next((f for since, f in MPS_FLOOR if release(version) >= release(since)), "")
    return max((f for f in (wheel, mps) if f), key=release, default="")


def _wanted(have: str) -> str:
    """Return the releases whose MPS runs on this macOS; "" where all do, or none."""
    above = [since for since, floor in MPS_FLOOR if not at_least(have, floor)]
    return f"<{above[-1]}" if above and len(above) < len(MPS_FLOOR) else ""
