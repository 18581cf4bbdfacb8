import re

from tunedoctor.api import (
    Errors,
    ErrorText,
    Facts,
    Finding,
    Interpreter,
    Severity,
    check,
    distribution_of,
    expression,
    listed,
    worded,
)


@check("user-site-shadowing")
def user_site_shadowing(facts: Facts) -> Finding | None:
    """Find hidden copies of the stack whose winner lies in the user site and has another version.

    In a report the paths of a traceback tell.
    """
    for one in facts.packages.in_memory:
        place = USER_SITE.search(one.file)
        if place:
            return _finding(
                facts,
                f"python imports {one.name} {one.version} from {place[0]}; the environment's list has {one.installed}",
                place[0],
                "error",
            )
    if found := _mixed(facts, facts.errors) or _launched(facts, facts.errors):
        return _finding(facts, found[0], found[1], found[2]).saying(found[0])
    if not facts.interpreter.executable and (order := _in_front(facts.interpreter)):
        return _by_order(facts, order, facts.interpreter)
    if not facts.packages or not facts.interpreter.user_site_on or not facts.interpreter.user_site:
        return None
    hidden = [
        c
        for c in facts.packages.copies
        if c.hidden_by == facts.interpreter.user_site
        and c.version != c.winner_version
        and distribution_of(c.name.replace("-", "_"))
    ]
    if not hidden:
        return None
    first = hidden[0]
    return _finding(
        facts,
        f"{first.name} {first.winner_version} in {first.hidden_by} wins over {first.version} in {first.location}"
        + (f"; also {listed(c.name for c in hidden[1:])}" if len(hidden) > 1 else ""),
        first.hidden_by,
    )


def _in_front(own: Interpreter) -> str:
    """Return the user site that stands before an environment's packages in a printed sys.path; "" where none does."""
    for at, folder in enumerate(own.path):
        if USER_SITE.fullmatch(folder):
            later = own.path[at + 1 :]
            return (
                folder if any(OF_AN_ENVIRONMENT.search(f) and SITE.search(f) for f in later) else ""
            )
    return ""


def _by_order(facts: Facts, user: str, own: Interpreter) -> Finding:
    """Suspect what an order alone shows: a package has to lie in both places to be the wrong one."""
    later = next(f for f in reversed(own.path) if OF_AN_ENVIRONMENT.search(f) and SITE.search(f))
    return _finding(
        facts, f"sys.path has {user} before {later}", user, "error", settle=f"ls {user}"
    )


def _mixed(facts: Facts, errors: Errors) -> tuple[str, str, Severity] | None:
    """Return what a traceback shows of modules from the user site and another place; None where nothing does.

    Such a mix is a fault only where what failed is installed: then another interpreter runs than the one that lists it.
    """
    for error in errors.errors:
        missing = NO_MODULE.search(error.text)
        files = [frame.file for frame in error.frames]
        user = next((m[0] for file in files if (m := USER_SITE.search(file))), "")
        elsewhere = [f for f in files if SITE.search(f) and not USER_SITE.search(f)]
        if missing is None and (
            found := _another_version(error, elsewhere) or _binary(error, files)
        ):
            return found
        if not user or not elsewhere or missing is None or not facts.packages:
            continue
        name = distribution_of(missing[1]) or missing[1].replace("_", "-")
        if facts.packages.get(name) is None:
            continue
        listed_ = f"{name} {facts.packages.version(name)} is in the list"
        shown = f"'{missing[0]}', and {listed_}; modules come from {user} and "
        return shown + _folder(elsewhere[-1]), user, "error"
    return None


def _binary(error: ErrorText, files: list[str]) -> tuple[str, str, Severity] | None:
    """Return that a binary of the user site was loaded into a torch of another place, and did not fit it."""
    said = expression("user-site-shadowing/unfit").search(error.text)
    user = next(
        (m for file in files if (m := expression("user-site-shadowing/user-file").search(file))),
        None,
    )
    core = next(
        (
            f
            for f in files
            if expression("user-site-shadowing/torch-file").search(f) and not USER_SITE.search(f)
        ),
        "",
    )
    if said is None or user is None or not core or user["module"] == "torch":
        return None
    found = f"'{said[0]}': the {user['module']} of {user['site']} is loaded into the torch of "
    return found + _folder(core), user["site"], "error"


def _launched(facts: Facts, errors: Errors) -> tuple[str, str, Severity] | None:
    """Return that a launcher of the user site missed a package that the environment's list has."""
    for one in facts.launchers.launchers if facts.launchers and facts.packages else ():
        place = expression("user-site-shadowing/user-bin").search(one.path)
        for error in errors.errors if place and not one.in_target else ():
            missing = NO_MODULE.search(error.text)
            name = distribution_of(missing[1]) or missing[1].replace("_", "-") if missing else ""
            if missing and facts.packages.get(name) is not None:
                return (
                    f"{one.name} is {one.path}: '{missing[0]}', and {name} is in the list",
                    one.path,
                    "error",
                )
    return None


def _another_version(error: ErrorText, elsewhere: list[str]) -> tuple[str, str, Severity] | None:
    """Return that code of an environment got a library of the user site, and missed a name in it."""
    missed = expression("user-site-shadowing/missed").search(error.text)
    importer = next((file for file in elsewhere if OF_AN_ENVIRONMENT.search(file)), "")
    if missed is None or not importer:
        return None
    module = (missed[1] or missed[2]).partition(".")[0]
    files = [frame.file for frame in error.frames]
    for place in (error.text, *files):
        inside = USER_SITE.search(place)
        if inside and re.search(rf"site-packages[\\/]{re.escape(module)}[\\/]", place):
            found = f"{_folder(importer)} imports the {module} of {inside[0].lstrip('(')}"
            return f"'{missed[0]}': {found}", inside[0].lstrip("("), "error"
    return None


OF_AN_ENVIRONMENT = expression("user-site-shadowing/of-an-environment")


def _folder(file: str) -> str:
    found = SITE.search(file)
    return file[: found.end()] if found else file


USER_SITE = expression("user-site-shadowing/user-site")
SITE = expression("user-site-shadowing/site")
NO_MODULE = expression("user-site-shadowing/no-module")


def _finding(
    facts: Facts, found: str, place: str, severity: Severity | None = None, *, settle: str = ""
) -> Finding:
    return worded(
        "user-site-shadowing",
        severity=severity,
        found=found,
        evidence=(place,),
        settle=settle,
        host=facts.host,
    )
