import re
import sys
from collections.abc import Iterable, Iterator
from shlex import quote

from tunedoctor import api

HOW = {
    "work": " when Python starts in that folder",
    "pythonpath": " because PYTHONPATH lists its folder",
    "path": "",
}


@api.check(
    "local-file-shadowing",
    uses=(api.Errors, api.Interpreter, api.Packages, api.Runtime, api.Shadows),
)
def local_file_shadowing(facts: api.Facts) -> api.Finding | None:
    """Report libraries first, then standard modules, stray imports of a run, PYTHONPATH copies, errors."""
    shadows = facts.shadowed.shadows
    libraries = [s for s in shadows if api.distribution_of(s.module)]
    standard = [s for s in shadows if not api.distribution_of(s.module)]
    # on a live machine the folders decide; the target's runs do not start in the working folder
    errors = () if facts.shadowed else facts.errors.errors
    return (
        _report_local_file([s for s in libraries if s.hides], "error")
        or _report_local_file([s for s in standard if s.where != "work"], "error")
        or _find_stray_packages(facts)
        or next((finding for error in errors if (finding := _find_local_name(facts, error))), None)
        or _report_local_file(standard, "warning")
        or _find_hidden_copies(facts)
        or _report_local_file([s for s in libraries if not s.hides], "note")
    )


def _report_local_file(shadows: list[api.Shadow], severity: api.Severity) -> api.Finding | None:
    first = next(iter(shadows), None)
    if first is None:
        return None
    module = first.module
    kind = "library" if api.distribution_of(module) else "standard module"
    hides = first.hides or f"an installed {module}"
    others = api.listed(shadow.module for shadow in shadows[1:])
    found = f"{first.path} is imported in place of {hides}{HOW[first.where]}"
    return api.Finding(
        title=f"Your {module} hides the {kind} of the same name",
        severity=severity,
        found=found + (f"; also {others}" if others else ""),
        means=(
            f"import {module} loads it: the training fails with 'cannot import name', 'circular "
            "import' or '(unknown location)'"
        ),
        cure=_rename(first.path),
        cure_note=OR_ELSEWHERE,
        evidence=tuple(shadow.path for shadow in shadows[:4]),
    )


YOURS = "it is your file, so rename it yourself"
OR_ELSEWHERE = f"{YOURS}; or start the script from another folder"
AND_CACHE = f"{YOURS}; also remove the __pycache__ next to it"


def _rename(path: str) -> api.Cure:
    return api.tell(f"mv {quote(path)} {quote(_new_name(path))}")


def _new_name(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_mine.{ending}" if dot and "/" not in ending else f"{path}_mine"


def _find_hidden_copies(facts: api.Facts) -> api.Finding | None:
    for copy in facts.packages.copies:
        is_library = api.distribution_of(copy.name.replace("-", "_"))
        place = copy.name, copy.hidden_by
        wins = next((b for b in facts.packages.broken if (b.name, b.location) == place), None)
        differs = is_library and (wins or copy.version != copy.winner_version)
        if differs and copy.hidden_by in facts.interpreter.pythonpath:
            detail = f": {wins.detail}" if wins and wins.detail else ""
            return api.Finding(
                title="PYTHONPATH hides an installed library",
                severity="error" if wins else "warning",
                found=(
                    f"{copy.name} {copy.winner_version} in {copy.hidden_by} is imported in place of "
                    f"{copy.version} in {copy.location}{detail}"
                ),
                means=(
                    f"import {copy.name} loads that copy and fails"
                    if wins
                    else "Python imports another version than the one that pip shows"
                ),
                cure=facts.set_variable("PYTHONPATH", None),
                cure_note="in the shell that starts the training and in its profile",
                evidence=(copy.hidden_by,),
            )
    return None


def _find_stray_packages(facts: api.Facts) -> api.Finding | None:
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
    module, others = first.module, api.listed(stray.module for stray, _ in imported[1:])
    has = f"{installed.name} {installed.version} in {installed.location}"
    found = f"{first.file} is imported in place of {has}"
    cure = api.advise("Remove that folder from sys.path, or delete the copy")
    if first.by:
        found += f"; {first.by} puts its folder first on the path"
        cure = api.tell(f"mv {quote(first.by)} {quote(first.by)}.off")
    return api.Finding(
        title=f"Python imports another {module} than the installed one",
        severity="error" if died else "warning",
        found=found + (f"; also {others}" if others else ""),
        means=(
            f"the imported {module} is another release than pip shows; libraries that fit the "
            "installed one can fail with it"
        ),
        cure=cure,
        cure_note=(
            "code that runs when Python starts adds the folder; without it Python imports the "
            "installed package again"
        ),
        evidence=(first.by, first.file),
    )


def _is_mine(file: str, module: str) -> bool:
    """Return whether a user's file or folder has a library's name; a checkout of the library does not count."""
    name = re.escape(module)
    checkout = re.search(rf"[\\/]{name}[\w.-]*[\\/]{name}[\\/]", file)
    installed = api.expression("local-file-shadowing/installed").search(file)
    return bool(api.distribution_of(module)) and not installed and not checkout


def _find_local_name(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Read an error about a file or folder with the name of a library or standard module."""

    def find(kind: str) -> re.Match[str] | None:
        return facts.search(f"/{kind}", error.text)

    circular = find("circular")
    if circular and not re.search("(?:site|dist)-packages", circular[2]):
        return api.Finding(
            found=f"{circular[2]} is imported in place of the installed {circular[1]}",
            means=f"the script imports itself: '{circular[0][:100]}'",
            cure=_rename(circular[2]),
            cure_note=AND_CACHE,
        )
    if renamed := find("rename"):
        file = renamed[1]
        hides = renamed[2] or "the library of that name"
        return api.Finding(
            found=f"{file} is imported in place of {hides}",
            means=(
                "Python's own message says it: the file has the same name as the module that the "
                "script imports"
            ),
            cure=_rename(file),
            cure_note=AND_CACHE,
        )
    own = find("own-folder")
    if own and _is_mine(own[2], own[1]):
        return api.Finding(
            found=f"{own[2]} is imported in place of the installed {own[1]}",
            means=f"'{own[0][:100]}'",
            cure=_rename(re.sub(r"[\\/]__init__\.py$", "", own[2])),
            cure_note=OR_ELSEWHERE,
        )
    return _find_missing_name(facts, error)


def _find_missing_name(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Read an error about a module that lacks something which every release of it has."""
    plain = facts.search("/plain", error.text)
    if plain and _is_module(_first_group(plain)):
        module = _first_group(plain)
        return api.Finding(
            found=(
                f"the error '{plain[0]}': a file {module}.py is imported in place of the package"
            ),
            means="Python finds no submodules in a single file",
            cure=api.tell(f"python -c 'import {module}; print({module}.__file__)'"),
            cure_note="shows which file is imported: rename it, or start from another folder",
            said=plain[0],
        )
    hollow = facts.search("/hollow", error.text)
    if hollow and _is_module(_first_group(hollow)):
        return _report_hollow_module(_first_group(hollow), hollow[0])
    if nowhere := facts.search("/nowhere", error.text):
        module = _first_group(nowhere)
        return api.Finding(
            found=f"the error '{nowhere[0]}': {module} is a folder without code",
            means=(
                f"Python imports a folder called {module} in the working folder in place of the "
                "library"
            ),
            cure=api.tell(f"python -c 'import {module}; print({module}.__path__)'"),
            cure_note=(
                "shows which folder is imported: rename it, or start from another one; then install "
                "the library"
            ),
            said=nowhere[0],
        )
    if facts.search("/uncompiled", error.text):
        return api.Finding(
            title="A source checkout of PyTorch hides the installed one",
            found=("the error \"name '_C' is not defined\": the imported torch was never compiled"),
            means="import torch fails in every folder that has a subfolder torch with sources",
            cure=api.tell("cd ~"),
            cure_note="start Python from any other folder than the checkout",
        )
    return None


def _first_group(match: re.Match[str]) -> str:
    name: str = next(filter(None, match.groups()))
    return name


def _is_module(name: str) -> bool:
    return bool(api.distribution_of(name)) or name in sys.stdlib_module_names


def _report_hollow_module(module: str, error: str) -> api.Finding:
    return api.Finding(
        title=f"A file or folder of yours hides {module}",
        found=f"the error '{error}': every release of {module} has it",
        means=(
            f"Python imports a file {module}.py or a folder {module} in place of the real one, or "
            f"{module} is only partly installed"
        ),
        cure=api.tell(f"python -c 'import {module}; print({module}.__file__, {module}.__path__)'"),
        cure_note=(
            "shows which file is imported: rename it, or start from another folder; if it is the "
            "installed package, reinstall it"
        ),
        settle=f"python -c 'import {module}; print({module}.__file__)'",
        said=error,
    )


USER_SITE = api.expression("user-site-shadowing/user-site")
SITE = api.expression("user-site-shadowing/site")
OF_AN_ENVIRONMENT = api.expression("user-site-shadowing/of-an-environment")


@api.check("user-site-shadowing", uses=(api.Errors, api.Interpreter, api.Launchers, api.Packages))
def user_site_shadowing(facts: api.Facts) -> api.Finding | None:
    """Find copies of the stack hidden by another version in the user site; in a report, by its paths."""
    for module in facts.packages.in_memory:
        if place := USER_SITE.search(module.file):
            imported = f"python imports {module.name} {module.version} from {place[0]}"
            listed = f"the environment lists {module.installed}"
            return _report_user_site(facts, f"{imported}; {listed}", place[0])
    for error in facts.errors.errors:
        missed, mine = _missed_module(facts, error), None
        user = next((m[0] for frame in error.frames if (m := USER_SITE.search(frame.file))), "")
        if api.expression("wrong-interpreter/no-module").search(error.text) is None:
            mine = _misfitting_user_library(error) or _misfitting_binary(error)
        elif missed and user and (other := _files_of_other_sites(error)):
            mine = (f"{missed}; modules come from {user} and {_site_folder(other[-1])}", user)
        if mine:
            return _report_user_site(facts, *mine).saying(mine[0])
    return _find_user_launcher(facts) or _suspect_path_order(facts) or _find_hidden_copy(facts)


def _find_hidden_copy(facts: api.Facts) -> api.Finding | None:
    site = facts.interpreter.user_site if facts.interpreter.user_site_on else ""
    copies = [copy for copy in facts.packages.copies if copy.hidden_by == site != ""]
    older = (copy for copy in copies if copy.version != copy.winner_version)
    hidden = [copy for copy in older if api.distribution_of(copy.name.replace("-", "_"))]
    if not hidden:
        return None
    copy, others = hidden[0], api.listed(copy.name for copy in hidden[1:])
    found = f"{copy.name} {copy.winner_version} in {site} hides {copy.version} in {copy.location}"
    return api.Finding(
        found=found + (f"; also {others}" if others else ""),
        cure=facts.set_variable("PYTHONNOUSERSITE", "1"),
        cure_note=NO_USER_SITE,
        evidence=(site,),
    )


NO_USER_SITE = (
    "in the shell that starts training; to set it permanently: conda env config vars set "
    "PYTHONNOUSERSITE=1"
)


def _suspect_path_order(facts: api.Facts) -> api.Finding | None:
    """Suspect the order in a printed sys.path: it matters only if a package is in both places."""
    path = [] if facts.interpreter.executable else [*facts.interpreter.path]
    user = next((folder for folder in path if USER_SITE.fullmatch(folder)), "")
    later = path[path.index(user) + 1 :] if user else []
    own = [folder for folder in later if OF_AN_ENVIRONMENT.search(folder) and SITE.search(folder)]
    if not own:
        return None
    return _report_user_site(facts, f"sys.path has {user} before {own[-1]}", user, f"ls {user}")


def _files_of_other_sites(error: api.ErrorText) -> list[str]:
    """Return the files of a traceback in site-packages other than the user's."""
    files = [frame.file for frame in error.frames]
    return [file for file in files if SITE.search(file) and not USER_SITE.search(file)]


def _missed_module(facts: api.Facts, error: api.ErrorText) -> str:
    """Return the error for an installed module that was not found: another interpreter is running."""
    missing = api.expression("wrong-interpreter/no-module").search(error.text)
    name = api.brought_by(missing[1]) if missing else ""
    if missing is None or facts.packages.get(name) is None:
        return ""
    return f"'{missing[0]}', but {name} {facts.packages.version(name)} is listed as installed"


def _misfitting_binary(error: api.ErrorText) -> tuple[str, str] | None:
    """Return the error of a user-site binary that was loaded into a torch from elsewhere and does not fit."""
    match = api.expression("user-site-shadowing/unfit").search(error.text)
    in_torch = api.expression("user-site-shadowing/torch-file")
    core = next((file for file in _files_of_other_sites(error) if in_torch.search(file)), "")
    user = api.expression("user-site-shadowing/user-file")
    mine = next((m for frame in error.frames if (m := user.search(frame.file))), None)
    if match is None or mine is None or not core or mine["module"] == "torch":
        return None
    module, site = mine["module"], mine["site"]
    return (
        f"'{match[0]}': the {module} in {site} is loaded into the torch in {_site_folder(core)}",
        site,
    )


def _find_user_launcher(facts: api.Facts) -> api.Finding | None:
    """Report a user-site launcher that did not find a package installed in the environment."""
    user = facts.expression("/user-bin")
    for launcher in facts.launchers.launchers if facts.packages else ():
        for error in (
            facts.errors.errors if user.search(launcher.path) and not launcher.in_target else ()
        ):
            if missed := _missed_module(facts, error):
                found = f"{launcher.name} is {launcher.path}: {missed}"
                return _report_user_site(facts, found, launcher.path).saying(found)
    return None


def _misfitting_user_library(error: api.ErrorText) -> tuple[str, str] | None:
    """Return the error of environment code that imported a user-site library without a needed name."""
    missed = api.expression("user-site-shadowing/missed").search(error.text)
    importer = next(
        (file for file in _files_of_other_sites(error) if OF_AN_ENVIRONMENT.search(file)), ""
    )
    if missed is None or not importer:
        return None
    module = (missed[1] or missed[2]).partition(".")[0]
    in_package = re.compile(rf"site-packages[\\/]{re.escape(module)}[\\/]")
    for place in (error.text, *(frame.file for frame in error.frames)):
        if (user := USER_SITE.search(place)) and in_package.search(place):
            site = user[0].lstrip("(")
            return f"'{missed[0]}': {_site_folder(importer)} imports {module} from {site}", site
    return None


def _site_folder(file: str) -> str:
    match = SITE.search(file)
    return file[: match.end()] if match else file


def _report_user_site(facts: api.Facts, found: str, place: str, settle: str = "") -> api.Finding:
    return api.Finding(
        severity="error",
        found=found,
        cure=facts.set_variable("PYTHONNOUSERSITE", "1"),
        cure_note=NO_USER_SITE,
        evidence=(place,),
        settle=settle,
    )


OF_PYTHON = api.expression("wrong-interpreter/of-python")


@api.check("stale-process", uses=(api.Errors, api.Packages, api.Typed))
def stale_process(facts: api.Facts) -> api.Finding | None:
    """Compare the version in an error with the installed packages."""
    found, error = next(_signs(facts), ("", ""))
    if not found:
        return None
    return api.Finding(
        found=found,
        cure=api.advise("Restart the kernel or the process"),
        cure_note="in a notebook: Runtime, Restart; you do not have to install anything",
        certain=found.startswith("the warning"),
        said=error,
    )


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
        away = alone and _other_python(facts.packages.get(name), facts.errors.errors)
        if alone and installed and api.within(installed, required) and not away:
            yield f"the error asks for {name}{required}, but {name} {installed} is installed", ""
    restart = facts.error_text("/restart")
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


def _other_python(distribution: api.Distribution | None, errors: Iterable[api.ErrorText]) -> str:
    """Return the Python of the failing code if the listed package belongs to another Python."""
    mine = OF_PYTHON.search(distribution.location) if distribution else None
    files = (frame.file for error in errors for frame in error.frames)
    runs = [match[1] for file in files if (match := OF_PYTHON.search(file))]
    return runs[-1] if mine and runs and mine[1] not in runs else ""


WHICH_RUNS = api.tell("python -c 'import sys; print(sys.executable)'")
INSTALL_WITH_IT = "shows which one runs; install with it: python -m pip install"
BRINGS = {"pip": "pip", "accelerate": "accelerate", "torchrun": "torch", "python": ""}
MEANS = {
    "pip": "pip install installs packages into another environment",
    "accelerate": "accelerate trains in another environment, without the packages of this one",
    "torchrun": "torchrun trains in another environment, without the packages of this one",
    "python": "scripts run in another environment instead of the activated one",
}
INSTEAD = {
    "pip": " -m pip --version",
    "accelerate": " -m accelerate.commands.launch --help",
    "torchrun": " -m torch.distributed.run --help",
    "python": "",
}
"""Command -> how the environment's own Python runs it."""
ISOLATED = "/isolated"
"""An isolated build sees no installed packages, so the error proves nothing."""


@api.check(
    "wrong-interpreter",
    uses=(
        api.Errors,
        api.Interpreter,
        api.Launchers,
        api.Packages,
        api.Wanted,
        api.Runtime,
        api.Target,
        api.Typed,
    ),
)
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
    running = _report_running_process(module) if module else None
    if (
        denied := _find_denied_module(facts)
        or _find_other_interpreter(facts)
        or running
        or _find_imported_by_one(facts)
    ):
        return denied
    if gone := facts.matched("/launcher"):
        return _report_missing_python(_first_group(gone), gone.string.partition("\n")[0][:140])
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
    starts = f", which starts {first.interpreter}" if first.interpreter else ""
    return api.Finding(
        title=f"{first.name} belongs to another interpreter",
        found=(
            f"{first.name} is {first.path}{starts}; the activated environment is "
            f"{facts.interpreter.prefix}"
        ),
        means=MEANS[first.name],
        cure=api.tell(f"{api.python(facts.interpreter)}{INSTEAD[first.name]}"),
        cure_note="use this form instead of the bare command; or activate the environment again",
        evidence=tuple(launcher.path for launcher in foreign[:4]),
    )


def _report_two_interpreters(found: str, error: str = "") -> api.Finding:
    return api.Finding(
        title="pip and python are different interpreters",
        severity="error",
        found=found,
        means="the interpreter that runs the script is not the one that has the packages",
        cure=WHICH_RUNS,
        cure_note=f"{INSTALL_WITH_IT}. With sudo, name the python by its path",
        said=error,
    )


def _report_running_process(module: api.InMemory) -> api.Finding:
    imports = f"python imports {module.name} {module.version}"
    imports += f" from {module.file}" if module.file else ""
    return _report_two_interpreters(f"{imports}; the list of packages has {module.installed}")


def _report_missing_python(python: str, error: str) -> api.Finding:
    return api.Finding(
        title="A command belongs to a Python that no longer exists",
        severity="error",
        found=f"the error '{error}': {python} does not exist",
        means=(
            "the environment was moved or renamed, or its Python was removed, so its commands do "
            "not start"
        ),
        cure=api.tell("python3 -m venv --clear .venv"),
        cure_note=(
            "creates the environment again, so run it where the environment should be; until then "
            "start a command as python -m pip"
        ),
        said=error,
    )


def _find_other_interpreter(facts: api.Facts) -> api.Finding | None:
    """Report a requirement that the listed package meets, but in another Python than the failing one."""
    for requirement in facts.request.requirements:
        installed = facts.packages.get(requirement.name)
        if installed is None or not api.within(installed.version, requirement.specifier):
            continue
        for error in (e for e in facts.errors.errors if requirement.specifier in e.text):
            if runs := _other_python(installed, [error]):
                has = f"{installed.name} {installed.version} is in {installed.location}"
                found = f"{has}; the error '{error.text[:80]}' comes from Python {runs}"
                return _report_two_interpreters(found, error.text)
    return None


def _find_imported_by_one(facts: api.Facts) -> api.Finding | None:
    """Report a torch that one command imported and another did not find."""
    stage = facts.runtime.stage("import torch")
    error = facts.error_text("/imported")
    if stage is None or stage.outcome != "ok" or not error or facts.matched(ISOLATED):
        return None
    root = next((c[:60] for c in facts.typed.commands if c.startswith("sudo ")), "")
    version = f" {facts.runtime.torch_version}" if facts.runtime.torch_version else ""
    found = f"one command imports torch{version}, another one says '{error}'"
    found += f"; `{root}` starts the Python on root's own PATH" if root else ""
    return _report_two_interpreters(found, error)


def _find_denied_module(facts: api.Facts) -> api.Finding | None:
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
            has = f"{installed.name} {installed.version}"
            has += f" in {installed.location}" if installed.location else ""
            return api.Finding(
                title="pip and python are different interpreters",
                severity="error",
                found=f"'{missing[0]}', and `{listing[:60]}` shows {has}",
                means="the interpreter that runs the script is not the one that has the packages",
                cure=WHICH_RUNS,
                cure_note=f"{INSTALL_WITH_IT}. In a notebook: %pip install",
                said=missing[0],
            )
    return None
