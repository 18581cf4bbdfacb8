from collections.abc import Iterator

from tunedoctor import api

OF_PYTHON = api.expression("wrong-interpreter/of-python")


@api.check("stale-process")
def stale_process(facts: api.Facts) -> api.Finding | None:
    """Compare what an error asks for with what the list of packages has."""
    found, said = next(_signs(facts), ("", ""))
    finding = facts.worded("stale-process", found=found, said=said) if found else None
    return finding.proved() if finding and found.startswith("the warning") else finding


def _signs(facts: api.Facts) -> Iterator[tuple[str, str]]:
    """Yield what tells of it, and the error that says so."""
    resolver, other = map(api.expression, ("stale-process/resolver", "stale-process/other"))
    said = [error for error in facts.errors.errors if not resolver.search(error.text)]
    for held in facts.packages.in_memory:
        if held.notebook:
            there = f"{held.name} {held.installed} is installed"
            yield f"the kernel has {held.name} {held.version}, and {there}", ""
    for error in said:
        asks = api.expression("stale-process/asks").search(error.text)
        name, wanted = (asks["name"].lower(), asks["wanted"]) if asks else ("", "")
        there = facts.packages.version(name) if name else ""
        alone = wanted and not other.search(error.text.replace(wanted, ""))
        if alone and there and api.within(there, wanted) and not _elsewhere(facts, name):
            yield f"the error asks for {name}{wanted}, and {name} {there} is installed", ""
    restart = facts.heard("stale-process/restart")
    if restart and len(said) > 1:
        # an error after an install that the kernel has not seen looks as if nothing were installed
        yield f"the warning '{restart}'", restart
    if gone := api.metadata_gone(facts.errors, facts.typed, replaced=True):
        yield f"the error '{gone.said}', after a cell installed another {gone.name}", gone.said
    for error in said:
        own = api.expression("stale-process/own-name").search(error.text)
        text = f"{error.text} {' '.join(frame.file for frame in error.frames)}"
        if own and api.expression("stale-process/notebook").search(text):
            yield f"{own[3]} does not find its own {own[1]} in {own[2]}", ""


def _elsewhere(facts: api.Facts, name: str) -> bool:
    """Tell whether the package that is listed lies in another Python's folder than the code that failed."""
    there = facts.packages.get(name)
    mine = OF_PYTHON.search(there.location) if there else None
    files = (frame.file for error in facts.errors.errors for frame in error.frames)
    runs = {found[1] for file in files if (found := OF_PYTHON.search(file))}
    return mine is not None and bool(runs) and mine[1] not in runs
