from tunedoctor import api

BRINGS = {"pip": "pip", "accelerate": "accelerate", "torchrun": "torch", "python": ""}
TWO = "wrong-interpreter/two"
ISOLATED = "wrong-interpreter/isolated"
"""A build in isolation has none of the packages around it: there the error says nothing."""
OF_PYTHON = api.expression("wrong-interpreter/of-python")


@api.check("wrong-interpreter")
def wrong_interpreter(facts: api.Facts) -> api.Finding | None:
    """Only of an activated environment: there the user expects its commands. In a report, an error denies a list."""
    denied = _denied(facts) or _elsewhere(facts) or _running(facts) or _imported(facts)
    if denied is not None:
        return denied
    if gone := facts.matched("wrong-interpreter/launcher"):
        said = gone.string.partition("\n")[0][:140]
        name = next(filter(None, gone.groups()))
        return facts.worded("wrong-interpreter/gone", said=said, python=name)
    active = facts.interpreter and facts.target.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    found = [one for one in facts.launchers.launchers if one.name in BRINGS and not one.in_target]
    # a venv without pip is common: only what the target ought to bring itself
    absent = [name for name in BRINGS.values() if name and not facts.packages.get(name)]
    whole = facts.packages.complete
    foreign = [o for o in found if active and not (whole and BRINGS[o.name] in absent)]
    if not foreign:
        return None
    first = min(foreign, key=lambda one: [*BRINGS].index(one.name))
    return facts.worded(
        "wrong-interpreter",
        f"wrong-interpreter/{first.name}",
        evidence=tuple(one.path for one in foreign[:4]),
        first=first,
        python=api.python(facts.interpreter),
    )


def _elsewhere(facts: api.Facts) -> api.Finding | None:
    """Tell of a requirement that the listed package fulfils, in another Python's folder than what failed."""
    for one in facts.request.requirements:
        there = facts.packages.get(one.name)
        mine = OF_PYTHON.search(there.location) if there else None
        if there is None or mine is None or not api.within(there.version, one.specifier):
            continue
        for error in facts.errors.errors:
            found = (OF_PYTHON.search(frame.file) for frame in error.frames)
            runs = [place[1] for place in found if place]
            if one.specifier in error.text and runs and mine[1] not in runs:
                key, said = "wrong-interpreter/elsewhere", error.text
                return facts.worded(
                    TWO, key, said=said, there=there, words=said[:80], runs=runs[-1]
                )
    return None


def _running(facts: api.Facts) -> api.Finding | None:
    """Tell of a library that a new process imports in another version than the one that pip or conda lists."""
    held = next((one for one in facts.packages.in_memory if not one.notebook), None)
    return facts.worded(TWO, "wrong-interpreter/running", held=held) if held else None


def _imported(facts: api.Facts) -> api.Finding | None:
    """Tell of a torch that one command imported and another one missed."""
    stage = facts.runtime.stage("import torch")
    said = facts.heard("wrong-interpreter/imported")
    if stage is None or stage.outcome != "ok" or not said or facts.matched(ISOLATED):
        return None
    root = next((c[:60] for c in facts.typed.commands if c.startswith("sudo ")), "")
    return facts.worded(TWO, "wrong-interpreter/imported", said=said, root=root)


def _denied(facts: api.Facts) -> api.Finding | None:
    """Tell of a module that an error calls missing and that a list, shown by a command, has."""
    lists = api.expression("wrong-interpreter/lists")
    listing = next((c for c in facts.typed.commands if lists.search(c)), "")
    if not listing or facts.matched(ISOLATED):
        return None
    for error in facts.errors.errors:
        missing = api.expression("wrong-interpreter/no-module").search(error.text)
        name = api.brought_by(missing[1]) if missing else ""
        there = facts.packages.get(name)
        broken = any(b.name == name for b in facts.packages.broken)
        if missing and there and not broken and error.where.startswith("line "):
            key, shown = "wrong-interpreter/denied", listing[:60]
            return facts.worded(key, said=missing[0], listing=shown, there=there)
    return None
