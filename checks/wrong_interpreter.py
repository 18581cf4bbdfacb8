from tunedoctor.api import (
    Facts,
    Finding,
    Launcher,
    Packages,
    check,
    distribution_of,
    expression,
    heard,
    matched,
    python,
    within,
    worded,
)

BRINGS = {
    "pip": "pip",
    "accelerate": "accelerate",
    "torchrun": "torch",
    "python": "",
}


@check("wrong-interpreter")
def wrong_interpreter(facts: Facts) -> Finding | None:
    """Only of an activated environment: there the user expects its commands. In a report, an error denies a list."""
    denied = (
        _denied(facts)
        or (_elsewhere(facts, facts.packages) or _running(facts.packages))
        or _imported(facts)
        or _gone(facts)
    )
    if denied is not None:
        return denied
    if not facts.launchers or not facts.target or not facts.interpreter:
        return None
    if facts.target.chosen_by not in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        return None
    foreign = [
        one
        for one in facts.launchers.launchers
        if one.name in BRINGS and not one.in_target and _expected(facts, one)
    ]
    if not foreign:
        return None
    order = list(BRINGS)
    first = min(foreign, key=lambda one: order.index(one.name))
    starts = f", which starts {first.interpreter}" if first.interpreter else ""
    return worded(
        "wrong-interpreter",
        f"wrong-interpreter/{first.name}",
        found=f"{first.name} is {first.path}{starts}; the activated environment is {facts.interpreter.prefix}",
        evidence=tuple(one.path for one in foreign[:4]),
        name=first.name,
        python=python(facts.interpreter),
    )


def _elsewhere(facts: Facts, packages: Packages) -> Finding | None:
    """Tell of a requirement that the listed package fulfils, in another Python's folder than what failed."""
    for one in facts.request.requirements if facts.request and facts.errors else ():
        there = packages.get(one.name)
        mine = OF_PYTHON.search(there.location) if there else None
        if there is None or mine is None or not within(there.version, one.specifier):
            continue
        for error in facts.errors.errors:
            files = [frame.file for frame in error.frames]
            runs = [f[1] for file in files if (f := OF_PYTHON.search(file))]
            if one.specifier in error.text and runs and mine[1] not in runs:
                return _two(
                    f"{one.name} {there.version} is in {there.location}; the error '{error.text[:80]}' "
                    f"comes from Python {runs[-1]}"
                ).saying(error.text)
    return None


def _running(packages: Packages) -> Finding | None:
    """Tell of a library that a new process imports in another version than the one that pip or conda lists."""
    for one in packages.in_memory:
        if not one.notebook:
            place = f" from {one.file}" if one.file else ""
            return _two(
                f"python imports {one.name} {one.version}{place}; the list of packages has {one.installed}"
            )
    return None


def _imported(facts: Facts) -> Finding | None:
    """Tell of a torch that one command imported and another one missed."""
    stage = facts.runtime.stage("import torch")
    said = heard(facts.errors, "wrong-interpreter/imported")
    if stage is None or stage.outcome != "ok" or not said or not facts.errors:
        return None
    if any(ISOLATED.search(error.text) for error in facts.errors.errors):
        return None
    root = next((c for c in facts.typed.commands if c.startswith("sudo ")), "")
    version = f"torch {facts.runtime.torch_version}".strip()
    return _two(
        f"one command imports {version}, another one says '{said}'"
        + (f"; `{root[:60]}` starts the Python of root's own PATH" if root else "")
    ).saying(said)


def _two(found: str) -> Finding:
    return worded("wrong-interpreter/two", found=found)


def _gone(facts: Facts) -> Finding | None:
    """Tell of a command that belongs to an interpreter that is not there any more."""
    found = matched(facts.errors, "wrong-interpreter/launcher")
    if found is None:
        return None
    said = found.string.partition("\n")[0][:140]
    gone = found["python"] or found["zsh"] or found["windows"]
    return worded("wrong-interpreter/gone", said=said, python=gone)


def _denied(facts: Facts) -> Finding | None:
    """Tell of a module that an error calls missing and that a list, shown by a command, has.

    A build in isolation has none of the packages around it: there the error says nothing of the interpreter.
    """
    if not facts.packages or not facts.typed or not facts.errors:
        return None
    if any(ISOLATED.search(error.text) for error in facts.errors.errors):
        return None
    listing = next(
        (c for c in facts.typed.commands if expression("wrong-interpreter/lists").search(c)), ""
    )
    for error in facts.errors.errors if listing else ():
        missing = expression("wrong-interpreter/no-module").search(error.text)
        if missing is None or not error.where.startswith("line "):
            continue
        name = distribution_of(missing[1]) or missing[1].lower().replace("_", "-")
        there = facts.packages.get(name)
        if there is None or any(b.name == name for b in facts.packages.broken):
            continue
        place = f" in {there.location}" if there.location else ""
        return worded(
            "wrong-interpreter/denied",
            found=f"'{missing[0]}', and `{listing[:60]}` shows {name} {there.version}{place}",
            said=missing[0],
        )
    return None


OF_PYTHON = expression("wrong-interpreter/of-python")
ISOLATED = expression("wrong-interpreter/isolated")


def _expected(facts: Facts, one: Launcher) -> bool:
    """Tell a command that the target ought to bring itself; a venv without pip is common."""
    name = BRINGS[one.name]
    if not name or not facts.packages or not facts.packages.complete:
        return True
    return facts.packages.get(name) is not None
