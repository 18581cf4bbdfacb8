import re

from tunedoctor import api

USER_SITE = api.expression("user-site-shadowing/user-site")
SITE = api.expression("user-site-shadowing/site")
OF_AN_ENVIRONMENT = api.expression("user-site-shadowing/of-an-environment")


@api.check("user-site-shadowing")
def user_site_shadowing(facts: api.Facts) -> api.Finding | None:
    """Find hidden copies of the stack whose winner lies in the user site and has another version.

    In a report the paths of a traceback tell.
    """
    for held in facts.packages.in_memory:
        if place := USER_SITE.search(held.file):
            found = f"python imports {held.name} {held.version} from {place[0]}"
            listed = f"the environment's list has {held.installed}"
            return _finding(facts, f"{found}; {listed}", place[0])
    for one in facts.errors.errors:
        missed, mine = _missed(facts, one), None
        user = next((m[0] for frame in one.frames if (m := USER_SITE.search(frame.file))), "")
        if api.expression("wrong-interpreter/no-module").search(one.text) is None:
            mine = _another_version(one) or _binary(one)
        elif missed and user and (other := _elsewhere(one)):
            mine = (f"{missed}; modules come from {user} and {_folder(other[-1])}", user)
        if mine:
            return _finding(facts, *mine).saying(mine[0])
    return _launched(facts) or _by_order(facts) or _hidden(facts)


def _hidden(facts: api.Facts) -> api.Finding | None:
    site = facts.interpreter.user_site if facts.interpreter.user_site_on else ""
    copies = [one for one in facts.packages.copies if one.hidden_by == site != ""]
    hidden = [
        one
        for one in copies
        if one.version != one.winner_version and api.distribution_of(one.name.replace("-", "_"))
    ]
    others = [one.name for one in hidden[1:]]
    key, case = "user-site-shadowing", "user-site-shadowing/hidden"
    return facts.worded(case, key, place=site, copy=hidden[0], others=others) if hidden else None


def _by_order(facts: api.Facts) -> api.Finding | None:
    """Suspect what a printed sys.path shows: a package has to lie in both places to be the wrong one."""
    path = [] if facts.interpreter.executable else [*facts.interpreter.path]
    user = next((folder for folder in path if USER_SITE.fullmatch(folder)), "")
    later = path[path.index(user) + 1 :] if user else []
    own = [folder for folder in later if OF_AN_ENVIRONMENT.search(folder) and SITE.search(folder)]
    if not own:
        return None
    return _finding(facts, f"sys.path has {user} before {own[-1]}", user, f"ls {user}")


def _elsewhere(error: api.ErrorText) -> list[str]:
    """Return the files of a traceback that lie in other site-packages than the user's."""
    files = [frame.file for frame in error.frames]
    return [file for file in files if SITE.search(file) and not USER_SITE.search(file)]


def _missed(facts: api.Facts, error: api.ErrorText) -> str:
    """Tell that a module was not found which is installed: another interpreter runs than the one that lists it."""
    missing = api.expression("wrong-interpreter/no-module").search(error.text)
    name = api.brought_by(missing[1]) if missing else ""
    if missing is None or facts.packages.get(name) is None:
        return ""
    return f"'{missing[0]}', and {name} {facts.packages.version(name)} is in the list"


def _binary(error: api.ErrorText) -> tuple[str, str] | None:
    """Return that a binary of the user site was loaded into a torch of another place, and did not fit it."""
    said = api.expression("user-site-shadowing/unfit").search(error.text)
    in_torch = api.expression("user-site-shadowing/torch-file")
    core = next((file for file in _elsewhere(error) if in_torch.search(file)), "")
    user = api.expression("user-site-shadowing/user-file")
    mine = next((m for frame in error.frames if (m := user.search(frame.file))), None)
    if said is None or mine is None or not core or mine["module"] == "torch":
        return None
    module, site = mine["module"], mine["site"]
    return f"'{said[0]}': the {module} of {site} is loaded into the torch of {_folder(core)}", site


def _launched(facts: api.Facts) -> api.Finding | None:
    """Tell of a launcher of the user site that missed a package that the environment's list has."""
    user = api.expression("user-site-shadowing/user-bin")
    for one in facts.launchers.launchers if facts.packages else ():
        for error in facts.errors.errors if user.search(one.path) and not one.in_target else ():
            if missed := _missed(facts, error):
                found = f"{one.name} is {one.path}: {missed}"
                return _finding(facts, found, one.path).saying(found)
    return None


def _another_version(error: api.ErrorText) -> tuple[str, str] | None:
    """Return that code of an environment got a library of the user site, and missed a name in it."""
    missed = api.expression("user-site-shadowing/missed").search(error.text)
    importer = next((file for file in _elsewhere(error) if OF_AN_ENVIRONMENT.search(file)), "")
    if missed is None or not importer:
        return None
    module = (missed[1] or missed[2]).partition(".")[0]
    inside = re.compile(rf"site-packages[\\/]{re.escape(module)}[\\/]")
    for place in (error.text, *(frame.file for frame in error.frames)):
        if (user := USER_SITE.search(place)) and inside.search(place):
            site = user[0].lstrip("(")
            return f"'{missed[0]}': {_folder(importer)} imports the {module} of {site}", site
    return None


def _folder(file: str) -> str:
    found = SITE.search(file)
    return file[: found.end()] if found else file


def _finding(facts: api.Facts, found: str, place: str, settle: str = "") -> api.Finding:
    key = "user-site-shadowing:seen"
    return facts.worded(key, "user-site-shadowing", found=found, place=place, settle=settle)
