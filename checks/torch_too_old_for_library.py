import re

from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    at_least,
    broken_pairs,
    check,
    expression,
    expressions,
    heard,
    lacks,
    pinned,
    pip,
    release,
    together,
    torch_install,
    unmet,
    worded,
)

COMPANIONS = frozenset({"torchvision", "torchaudio", "xformers"})


@check("torch-too-old-for-library")
def torch_too_old_for_library(facts: Facts) -> Finding | None:
    """Take the highest floor, hidden or declared, that the build does not reach."""
    pairs = broken_pairs(
        "torch-too-old-for-library", facts.packages, facts.torch, facts.environment, facts.errors
    )
    declared = [
        one
        for one in (
            unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
            if facts.packages
            else ()
        )
        if one.name == "torch" and one.installed and one.owner.name not in COMPANIONS
    ]
    floors = [(one, floor) for one in declared if (floor := _floor(one.specifier, one.installed))]
    worst = pairs[0] if pairs else None
    settle = text = ""
    if worst is not None and worst.row.severity == "error":
        wanted = worst.row.fix.get("torch", "")
        both = together(worst.versions)
        found = (
            f"the error '{worst.said}'"
            if worst.said and not both
            else f"{both}: transformers counts a torch below {wanted.lstrip('>=')} as not installed"
        )
        text = worst.said if worst.said and not both else ""
        keep = pinned(worst.row.fix_alt)
        # a torch that is missing, or whose import fails, counts as not found in the same words
        settle = SETTLE if not both and "is required but found" not in worst.said else ""
        means = f"'{worst.row.says}', and from_pretrained stops: no model can be loaded"
    elif floors:
        one, wanted = max(floors, key=lambda f: release(f[1].lstrip(">=")))
        found = f"{one.owner.name} {one.owner.version} requires {one.wanted}, and torch {one.installed} is installed"
        keep = ()
        means = f"{one.owner.name} calls what torch {one.installed} does not have yet"
    elif asked := _asked(facts):
        keep, wanted = (), asked[1]
        text = asked[0]
        found, means = f"the error '{text}'", "the import, or the call that asks for it, stops"
    elif missed := _name_missed(facts):
        text, since = missed
        keep, wanted = (), f">={since}"
        here = f", and torch {facts.torch.version} is installed" if facts.torch else ""
        found = f"the error '{text}': it came with torch {since}{here}"
        means = "the code that asks for it is written for a newer torch"
    elif worst is not None:
        return worded(
            "torch-too-old-for-library/torch-load",
            severity=worst.row.severity,
            found=f"{together(worst.versions)}: transformers refuses torch.load below torch 2.6",
            cure=torch_install(facts, ">=2.6").cure
            or pip(facts.interpreter, "install", "transformers<4.52"),
            evidence=worst.row.source,
        )
    else:
        return None
    fit = torch_install(facts, wanted)
    down = pip(facts.interpreter, "install", *keep) if keep else Cure()
    return Finding(
        found=found,
        said=text,
        means=means,
        cure=fit.cure or down or pip(facts.interpreter, "install", f"torch{wanted}"),
        cure_note=(f"or, to keep this torch: {down.command}" if down else "about 3 GB, no reboot")
        if fit.cure
        else "no newer torch fits this Python, driver and GPU",
        evidence=worst.row.source if worst else (),
        settle=settle,
    )


SETTLE = 'python -c "import torch; print(torch.__version__)"'


def _asked(facts: Facts) -> tuple[str, str] | None:
    """Return what an error says that states a floor of torch itself, and the floor."""
    said = heard(facts.errors, "torch-too-old-for-library/asked") or _stated(facts)
    if not said:
        return None
    floor = expression("torch-too-old-for-library/floor").search(said)
    lowest = floor[1] if floor else "2.1.1"
    return None if facts.torch and at_least(facts.torch.version, lowest) else (said, f">={lowest}")


def _stated(facts: Facts) -> str:
    for error in facts.errors.errors:
        raised = error.type and not error.type.endswith("Warning")
        if (
            raised
            and "you have" not in error.text
            and (found := expression("torch-too-old-for-library/stated").search(error.text))
        ):
            return found[0]
    return ""


def _name_missed(facts: Facts) -> tuple[str, str] | None:
    """Return what an error says of a public name of torch that this torch does not have, and since when it is there.

    torchao and bitsandbytes have a check of their own.
    """
    for error in facts.errors.errors:
        if any(re.search(r"[\\/](?:torchao|bitsandbytes)[\\/]", f.file) for f in error.frames[-1:]):
            continue
        for missed in expressions("torch-too-old-for-library/missed"):
            found = missed.search(error.text)
            if found is None:
                continue
            named = found.groupdict()
            name = named.get("name") or f"{named['function']} {named['keyword']}"
            since = lacks(named.get("module") or "", name, facts.torch.version)
            if since:
                return found[0], since
    return None


def _floor(specifier: str, installed: str) -> str:
    """Return the floor of a specifier that the installed version does not reach, as ">=2.4"; "" for none."""
    for one in specifier.split(","):
        for sign in (">=", "~=", "==", ">"):
            if one.startswith(sign):
                floor = one[len(sign) :].replace(".*", "")
                if release(installed) < release(floor):
                    return f">={floor}"
                break
    return ""
