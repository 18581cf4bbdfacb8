import re
import sys
from collections.abc import Iterable, Iterator

from tunedoctor import api

HOW = {
    "work": " when Python starts in that folder",
    "pythonpath": " because PYTHONPATH lists its folder",
    "path": "",
}


@api.check("local-file-shadowing")
def local_file_shadowing(facts: api.Facts) -> api.Finding | None:
    """Report libraries first, then standard modules, stray imports of a run, PYTHONPATH copies, errors."""
    shadows = facts.shadowed.shadows
    libraries = [s for s in shadows if api.distribution_of(s.module)]
    standard = [s for s in shadows if not api.distribution_of(s.module)]
    # on a live machine the folders decide; the target's runs do not start in the working folder
    errors = () if facts.shadowed else facts.errors.errors
    return (
        _local_finding(facts, [s for s in libraries if s.hides], "error")
        or _local_finding(facts, [s for s in standard if s.where != "work"], "error")
        or _strays(facts)
        or next((finding for error in errors if (finding := _from_error(facts, error))), None)
        or _local_finding(facts, standard, "warning")
        or _from_copies(facts)
        or _local_finding(facts, [s for s in libraries if not s.hides], "note")
    )


def _local_finding(
    facts: api.Facts, shadows: list[api.Shadow], severity: api.Severity
) -> api.Finding | None:
    first = next(iter(shadows), None)
    if first is None:
        return None
    return facts.worded(
        severity=severity,
        evidence=tuple(s.path for s in shadows[:4]),
        first=first,
        kind="library" if api.distribution_of(first.module) else "standard module",
        renamed=_renamed(first.path),
        hides=first.hides or f"an installed {first.module}",
        how=HOW[first.where],
        others=[s.module for s in shadows[1:]],
    )


def _renamed(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_mine.{ending}" if dot and "/" not in ending else f"{path}_mine"


def _from_copies(facts: api.Facts) -> api.Finding | None:
    for copy in facts.packages.copies:
        is_library = api.distribution_of(copy.name.replace("-", "_"))
        place = copy.name, copy.hidden_by
        wins = next((b for b in facts.packages.broken if (b.name, b.location) == place), None)
        differs = is_library and (wins or copy.version != copy.winner_version)
        if differs and copy.hidden_by in facts.interpreter.pythonpath:
            cases = "/copies:broken" if wins else "", "/copies"
            return facts.worded(*cases, copy=copy, detail=wins.detail if wins else "")
    return None


def _strays(facts: api.Facts) -> api.Finding | None:
    """Report packages that a run imported from another folder, which code added to the path."""
    path = tuple(folder + sep for folder in facts.interpreter.path for sep in "/\\")
    strays = (stray for stray in facts.runtime.strays if not stray.file.startswith(path))
    pairs = ((stray, facts.packages.get(api.brought_by(stray.module))) for stray in strays)
    imported = [
        (stray, installed) for stray, installed in pairs if installed and not installed.editable
    ]
    if not imported or not facts.interpreter:
        return None
    first, installed = imported[0]
    died = any(stage.outcome in ("failed", "crashed") for stage in facts.runtime.stages)
    cases = "/strays:died" if died else "", "/strays:by" if first.by else "", "/strays"
    others = [one.module for one, _ in imported[1:]]
    return facts.worded(*cases, first=first, held=installed, others=others)


def _is_mine(file: str, module: str) -> bool:
    """Return whether a user's file or folder has a library's name; a checkout of the library does not count."""
    name = re.escape(module)
    checkout = re.search(rf"[\\/]{name}[\w.-]*[\\/]{name}[\\/]", file)
    installed = api.expression("local-file-shadowing/installed").search(file)
    return bool(api.distribution_of(module)) and not installed and not checkout


def _mine(facts: api.Facts, part: str, match: re.Match[str]) -> api.Finding:
    """Report a user's file (group 2) that is imported as the module in group 1."""
    folder = re.sub(r"[\\/]__init__\.py$", "", match[2]) if part == "own-folder" else match[2]
    renamed, words = _renamed(folder), match[0][:100]
    return facts.worded(f"/{part}", folder=folder, renamed=renamed, match=match, words=words)


def _from_error(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Read an error about a file or folder with the name of a library or standard module."""

    def find(kind: str) -> re.Match[str] | None:
        return facts.search(f"/{kind}", error.text)

    circular = find("circular")
    if circular and not re.search("(?:site|dist)-packages", circular[2]):
        return _mine(facts, "circular", circular)
    if renamed := find("rename"):
        file = renamed[1]
        hides = renamed[2] or "the library of that name"
        return facts.worded("/renamed", file=file, hides=hides, renamed=_renamed(file))
    own = find("own-folder")
    if own and _is_mine(own[2], own[1]):
        return _mine(facts, "own-folder", own)
    for kind in ("plain", "hollow", "nowhere"):
        match = find(kind)
        module = next(filter(None, match.groups())) if match else ""
        is_module = api.distribution_of(module) or module in sys.stdlib_module_names
        if match and (is_module or kind == "nowhere"):
            return facts.worded(f"/{kind}", said=match[0], module=module)
    return facts.worded("/uncompiled") if find("uncompiled") else None


USER_SITE = api.expression("user-site-shadowing/user-site")
SITE = api.expression("user-site-shadowing/site")
OF_AN_ENVIRONMENT = api.expression("user-site-shadowing/of-an-environment")


@api.check("user-site-shadowing")
def user_site_shadowing(facts: api.Facts) -> api.Finding | None:
    """Find copies of the stack hidden by another version in the user site; in a report, by its paths."""
    for module in facts.packages.in_memory:
        if place := USER_SITE.search(module.file):
            imported = f"python imports {module.name} {module.version} from {place[0]}"
            listed = f"the environment lists {module.installed}"
            return _user_finding(facts, f"{imported}; {listed}", place[0])
    for error in facts.errors.errors:
        missed, mine = _missed(facts, error), None
        user = next((m[0] for frame in error.frames if (m := USER_SITE.search(frame.file))), "")
        if api.expression("wrong-interpreter/no-module").search(error.text) is None:
            mine = _another_version(error) or _binary(error)
        elif missed and user and (other := _user_elsewhere(error)):
            mine = (f"{missed}; modules come from {user} and {_folder(other[-1])}", user)
        if mine:
            return _user_finding(facts, *mine).saying(mine[0])
    return _launched(facts) or _by_order(facts) or _hidden(facts)


def _hidden(facts: api.Facts) -> api.Finding | None:
    site = facts.interpreter.user_site if facts.interpreter.user_site_on else ""
    copies = [copy for copy in facts.packages.copies if copy.hidden_by == site != ""]
    older = (copy for copy in copies if copy.version != copy.winner_version)
    hidden = [copy for copy in older if api.distribution_of(copy.name.replace("-", "_"))]
    others = [copy.name for copy in hidden[1:]]
    if not hidden:
        return None
    cases = "/hidden", "user-site-shadowing"
    return facts.worded(*cases, place=site, copy=hidden[0], others=others)


def _by_order(facts: api.Facts) -> api.Finding | None:
    """Suspect the order in a printed sys.path: it matters only if a package is in both places."""
    path = [] if facts.interpreter.executable else [*facts.interpreter.path]
    user = next((folder for folder in path if USER_SITE.fullmatch(folder)), "")
    later = path[path.index(user) + 1 :] if user else []
    own = [folder for folder in later if OF_AN_ENVIRONMENT.search(folder) and SITE.search(folder)]
    if not own:
        return None
    return _user_finding(facts, f"sys.path has {user} before {own[-1]}", user, f"ls {user}")


def _user_elsewhere(error: api.ErrorText) -> list[str]:
    """Return the files of a traceback in site-packages other than the user's."""
    files = [frame.file for frame in error.frames]
    return [file for file in files if SITE.search(file) and not USER_SITE.search(file)]


def _missed(facts: api.Facts, error: api.ErrorText) -> str:
    """Return the error for an installed module that was not found: another interpreter is running."""
    missing = api.expression("wrong-interpreter/no-module").search(error.text)
    name = api.brought_by(missing[1]) if missing else ""
    if missing is None or facts.packages.get(name) is None:
        return ""
    return f"'{missing[0]}', but {name} {facts.packages.version(name)} is listed as installed"


def _binary(error: api.ErrorText) -> tuple[str, str] | None:
    """Return the error of a user-site binary that was loaded into a torch from elsewhere and does not fit."""
    match = api.expression("user-site-shadowing/unfit").search(error.text)
    in_torch = api.expression("user-site-shadowing/torch-file")
    core = next((file for file in _user_elsewhere(error) if in_torch.search(file)), "")
    user = api.expression("user-site-shadowing/user-file")
    mine = next((m for frame in error.frames if (m := user.search(frame.file))), None)
    if match is None or mine is None or not core or mine["module"] == "torch":
        return None
    module, site = mine["module"], mine["site"]
    return f"'{match[0]}': the {module} in {site} is loaded into the torch in {_folder(core)}", site


def _launched(facts: api.Facts) -> api.Finding | None:
    """Report a user-site launcher that did not find a package installed in the environment."""
    user = facts.expression("/user-bin")
    for launcher in facts.launchers.launchers if facts.packages else ():
        for error in (
            facts.errors.errors if user.search(launcher.path) and not launcher.in_target else ()
        ):
            if missed := _missed(facts, error):
                found = f"{launcher.name} is {launcher.path}: {missed}"
                return _user_finding(facts, found, launcher.path).saying(found)
    return None


def _another_version(error: api.ErrorText) -> tuple[str, str] | None:
    """Return the error of environment code that imported a user-site library without a needed name."""
    missed = api.expression("user-site-shadowing/missed").search(error.text)
    importer = next((file for file in _user_elsewhere(error) if OF_AN_ENVIRONMENT.search(file)), "")
    if missed is None or not importer:
        return None
    module = (missed[1] or missed[2]).partition(".")[0]
    in_package = re.compile(rf"site-packages[\\/]{re.escape(module)}[\\/]")
    for place in (error.text, *(frame.file for frame in error.frames)):
        if (user := USER_SITE.search(place)) and in_package.search(place):
            site = user[0].lstrip("(")
            return f"'{missed[0]}': {_folder(importer)} imports {module} from {site}", site
    return None


def _folder(file: str) -> str:
    match = SITE.search(file)
    return file[: match.end()] if match else file


def _user_finding(facts: api.Facts, found: str, place: str, settle: str = "") -> api.Finding:
    return facts.worded(":seen", found=found, place=place, settle=settle)


OF_PYTHON = api.expression("wrong-interpreter/of-python")


@api.check("stale-process")
def stale_process(facts: api.Facts) -> api.Finding | None:
    """Compare the version in an error with the installed packages."""
    found, said = next(_signs(facts), ("", ""))
    finding = facts.worded(found=found, said=said) if found else None
    return finding.proved() if finding and found.startswith("the warning") else finding


def _signs(facts: api.Facts) -> Iterator[tuple[str, str]]:
    """Yield each sign of a stale process, and the error that shows it."""
    resolver, other = map(facts.expression, ("/resolver", "/other"))
    errors = [error for error in facts.errors.errors if not resolver.search(error.text)]
    for module in facts.packages.in_memory:
        if module.notebook:
            installed = f"{module.name} {module.installed} is installed"
            yield f"the kernel uses {module.name} {module.version}, but {installed}", ""
    for error in errors:
        asks = facts.search("/asks", error.text)
        name, required = (asks["name"].lower(), asks["wanted"]) if asks else ("", "")
        installed = facts.packages.version(name) if name else ""
        alone = required and not other.search(error.text.replace(required, ""))
        away = alone and _elsewhere_than(facts.packages.get(name), facts.errors.errors)
        if alone and installed and api.within(installed, required) and not away:
            yield f"the error asks for {name}{required}, but {name} {installed} is installed", ""
    restart = facts.heard("/restart")
    if restart and len(errors) > 1:
        # after an install that the kernel has not loaded, errors look as if nothing were installed
        yield f"the warning '{restart}'", restart
    if gone := api.metadata_gone(facts.errors, facts.typed, replaced=True):
        yield f"the error '{gone.said}', after a cell installed another {gone.name}", gone.said
    for error in errors:
        own = facts.search("/own-name", error.text)
        text = f"{error.text} {' '.join(frame.file for frame in error.frames)}"
        if own and facts.search("/notebook", text):
            yield f"{own[3]} does not find its own {own[1]} in {own[2]}", ""


def _elsewhere_than(distribution: api.Distribution | None, errors: Iterable[api.ErrorText]) -> str:
    """Return the Python of the failing code if the listed package belongs to another Python."""
    mine = OF_PYTHON.search(distribution.location) if distribution else None
    files = (frame.file for error in errors for frame in error.frames)
    runs = [match[1] for file in files if (match := OF_PYTHON.search(file))]
    return runs[-1] if mine and runs and mine[1] not in runs else ""


BRINGS = {"pip": "pip", "accelerate": "accelerate", "torchrun": "torch", "python": ""}
TWO = "/two"
ISOLATED = "/isolated"
"""An isolated build sees no installed packages, so the error proves nothing."""


@api.check("wrong-interpreter")
def wrong_interpreter(facts: api.Facts) -> api.Finding | None:
    """Only for an activated environment, whose commands the user expects. In a report, an error contradicts a list."""
    # a new process imports another version than pip or conda lists
    module = next(
        (
            module_in_memory
            for module_in_memory in facts.packages.in_memory
            if not module_in_memory.notebook
        ),
        None,
    )
    running = facts.worded(TWO, "/running", held=module) if module else None
    if denied := _denied(facts) or _interpreter_elsewhere(facts) or running or _imported(facts):
        return denied
    if gone := facts.matched("/launcher"):
        name = next(filter(None, gone.groups()))
        return facts.worded("/gone", said=gone.string.partition("\n")[0][:140], python=name)
    active = facts.interpreter and facts.target.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    launchers = [
        launcher
        for launcher in facts.launchers.launchers
        if launcher.name in BRINGS and not launcher.in_target
    ]
    # a venv without pip is common: check only what the target itself should provide
    absent = [name for name in BRINGS.values() if name and not facts.packages.get(name)]
    complete = facts.packages.complete
    foreign = [o for o in launchers if active and not (complete and BRINGS[o.name] in absent)]
    if not foreign:
        return None
    first = min(foreign, key=lambda launcher: [*BRINGS].index(launcher.name))
    cases = "wrong-interpreter", f"/{first.name}"
    paths, python = tuple(launcher.path for launcher in foreign[:4]), api.python(facts.interpreter)
    return facts.worded(*cases, evidence=paths, first=first, python=python)


def _interpreter_elsewhere(facts: api.Facts) -> api.Finding | None:
    """Report a requirement that the listed package meets, but in another Python than the failing one."""
    for requirement in facts.request.requirements:
        installed = facts.packages.get(requirement.name)
        if installed is None or not api.within(installed.version, requirement.specifier):
            continue
        for error in (e for e in facts.errors.errors if requirement.specifier in e.text):
            error_text = error.text
            if runs := _elsewhere_than(installed, [error]):
                return facts.worded(
                    TWO,
                    "/elsewhere",
                    said=error_text,
                    there=installed,
                    words=error_text[:80],
                    runs=runs,
                )
    return None


def _imported(facts: api.Facts) -> api.Finding | None:
    """Report a torch that one command imported and another did not find."""
    stage = facts.runtime.stage("import torch")
    error = facts.heard("/imported")
    if stage is None or stage.outcome != "ok" or not error or facts.matched(ISOLATED):
        return None
    root = next((c[:60] for c in facts.typed.commands if c.startswith("sudo ")), "")
    return facts.worded(TWO, "/imported", said=error, root=root)


def _denied(facts: api.Facts) -> api.Finding | None:
    """Report a module that an error calls missing although a command lists it as installed."""
    lists = facts.expression("/lists")
    listing = next((c for c in facts.typed.commands if lists.search(c)), "")
    if not listing or facts.matched(ISOLATED):
        return None
    for error in facts.errors.errors:
        missing = facts.search("/no-module", error.text)
        name = api.brought_by(missing[1]) if missing else ""
        installed = facts.packages.get(name)
        broken = any(b.name == name for b in facts.packages.broken)
        if missing and installed and not broken and error.where.startswith("line "):
            return facts.worded("/denied", said=missing[0], listing=listing[:60], there=installed)
    return None
