from tunedoctor import api

COMPANIONS = frozenset({"torchvision", "torchaudio", "xformers"})
SETTLE = 'python -c "import torch; print(torch.__version__)"'


@api.check("torch-too-old-for-library")
def torch_too_old_for_library(
    facts: api.Facts, packages: api.Packages | api.Unknown | None
) -> api.Result:
    """Take the highest floor, hidden or declared, that the build does not reach."""
    pairs = api.pairs_of("torch-too-old-for-library", facts)
    every = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
    asks = (one for one in every if one.name == "torch" and one.owner.name not in COMPANIONS)
    floors = ((_floor(one.specifier, one.installed), one) for one in asks if one.installed)
    declared = [(floor, one) for floor, one in floors if floor]
    worst = pairs[0] if pairs else None
    settle = said = ""
    keep: tuple[str, ...] = ()
    if worst is not None and worst.row.severity == "error":
        wanted, both = worst.row.fix.get("torch", ""), api.together(worst.versions)
        said = "" if both else worst.said
        found = f"{both}: transformers counts a torch below {wanted.lstrip('>=')} as not installed"
        keep = api.pinned(worst.row.fix_alt)
        # a torch that is missing, or whose import fails, counts as not found in the same words
        settle = SETTLE if not both and "is required but found" not in worst.said else ""
        means = f"'{worst.row.says}', and from_pretrained stops: no model can be loaded"
    elif declared:
        wanted, one = max(declared, key=lambda f: api.release(f[0].lstrip(">=")))
        found = f"{one.owner.name} {one.owner.version} requires {one.wanted}, and torch {one.installed} is installed"
        means = f"{one.owner.name} calls what torch {one.installed} does not have yet"
    elif asked := _asked(facts):
        said, wanted = asked
        found, means = "", "the import, or the call that asks for it, stops"
    elif missed := _name_missed(facts):
        said, since = missed
        wanted, found = f">={since}", f"the error '{said}': it came with torch {since}"
        found += f", and {facts.torch.named} is installed" if facts.torch else ""
        means = "the code that asks for it is written for a newer torch"
    elif worst is not None:
        key, both = "torch-too-old-for-library/torch-load", api.together(worst.versions)
        cure, row = api.torch_install(facts, ">=2.6").cure, worst.row
        return facts.worded(
            key, severity=row.severity, both=both, cure=cure or None, evidence=row.source
        )
    else:
        return packages if isinstance(packages, api.Unknown) else None
    fit = api.torch_install(facts, wanted).cure
    down = facts.pip("install", *keep) if keep else api.Cure()
    note = f"or, to keep this torch: {down.command}" if down else "about 3 GB, no reboot"
    return facts.worded(
        "torch-too-old-for-library",
        found=found if not said or "came with" in found else "",
        said=said,
        means=means,
        cure=fit or down or facts.pip("install", f"torch{wanted}"),
        cure_note=note if fit else "no newer torch fits this Python, driver and GPU",
        evidence=worst.row.source if worst else (),
        settle=settle,
    )


def _asked(facts: api.Facts) -> tuple[str, str] | None:
    """Return what an error says that states a floor of torch itself, and the floor."""
    said = facts.heard("torch-too-old-for-library/asked")
    for error in facts.errors.errors if not said else ():
        raised = error.type and not error.type.endswith("Warning") and "you have" not in error.text
        stated = api.expression("torch-too-old-for-library/stated").search(error.text)
        if raised and stated:
            said = stated[0]
            break
    if not said:
        return None
    floor = api.expression("torch-too-old-for-library/floor").search(said)
    lowest = floor[1] if floor else "2.1.1"
    there = facts.torch and api.at_least(facts.torch.version, lowest)
    return None if there else (said, f">={lowest}")


def _name_missed(facts: api.Facts) -> tuple[str, str] | None:
    """Return what an error says of a public name of torch that this torch does not have, and since when it is there.

    torchao and bitsandbytes have a check of their own.
    """
    theirs = api.expression("torch-too-old-for-library/quantisers")
    for error in facts.errors.errors:
        if any(theirs.search(frame.file) for frame in error.frames[-1:]):
            continue
        for missed in api.expressions("torch-too-old-for-library/missed"):
            if found := missed.search(error.text):
                named = found.groupdict()
                name = named.get("name") or f"{named['function']} {named['keyword']}"
                if since := api.lacks(named.get("module") or "", name, facts.torch.version):
                    return found[0], since
    return None


def _floor(specifier: str, installed: str) -> str:
    """Return the floor of a specifier that the installed version does not reach, as ">=2.4"; "" for none."""
    for one in specifier.split(","):
        floor = one.lstrip(">~=").replace(".*", "")
        if one[:1] in (">", "~", "=") and api.release(installed) < api.release(floor):
            return f">={floor}"
    return ""
