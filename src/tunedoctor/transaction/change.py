"""Carry out a plan in one state of an environment: fetch everything by hash before changing anything."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.installers import tool as installers
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.plan import (
    DeletePath,
    Install,
    NewEnvironment,
    Plan,
    Rebuild,
    SetEnv,
    WriteFile,
)
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.conflict import explain_failure
from tunedoctor.probes.places import settings_of
from tunedoctor.state.folder import FailureError
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.load import table
from tunedoctor.transaction import records
from tunedoctor.transaction.environment import SCRIPTS, TargetEnvironment
from tunedoctor.transaction.journal import Journal
from tunedoctor.transaction.outcome import ApplyOptions, Clock
from tunedoctor.transaction.tree import clone, remove_tree, replace

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST = 1 << 20
"""Most bytes of conda's own file."""
_BEGIN, _END = "# >>> doctor fix >>>", "# <<< doctor fix <<<"
_BLOCK = re.compile(re.escape(_BEGIN) + r"\r?\n(.*?)" + re.escape(_END) + r"\r?\n?", re.DOTALL)


class Transaction(NamedTuple):
    """Everything that a transaction needs."""

    plan: Plan
    ground: TargetEnvironment
    tool: installers.Tool
    journal: Journal
    before: Snapshot
    ways: ApplyOptions
    clock: Clock
    seen: dict[str, Snapshot]
    """"after": the snapshot of the changed state, once it was taken."""


Fetched = tuple[Install, installers.Job, installers.Files]
"""What was fetched for one install."""


def choose_tool(
    requested: installers.Named | None, environment: TargetEnvironment, sources: Sources
) -> installers.Tool:
    """Return the requested installer, or else uv if it exists, else pip. Only pip installs into the user's own site.

    Raises FailureError if the requested one is missing.
    """
    target_option = (
        "" if environment.strategy == "new" else f" --target {shlex.quote(environment.executable)}"
    )
    uv = requested == "uv" or (requested is None and bool(find_uv()) and not environment.user)
    FailureError.when(uv and not find_uv(), "uv is not installed", "pip install uv", refused=True)
    why = "uv does not install into the user's own site-packages"
    FailureError.when(
        uv and environment.user, why, f"doctor fix{target_option} --installer pip", refused=True
    )
    folders = [environment.site, *environment.prefix.glob("lib/python*/site-packages")]
    pip = environment.strategy == "new" or any((folder / "pip").is_dir() for folder in folders)
    why = f"pip is not installed in {environment.prefix}"
    command = f"doctor fix{target_option} --installer uv"
    FailureError.when(not uv and not pip, why, command, refused=True)
    return installers.Tool("uv" if uv else "pip", sources)


def fetch(task: Transaction, python: str) -> list[Fetched]:
    """Fetch every wheel. Raises FailureError if an index does not answer, or a file does not have its listed hash."""
    tool, fetched = task.tool, list[Fetched]()
    # installers need hashes for all packages or none: those without a hash are fetched separately
    parts = [
        msgspec.structs.replace(step, pins=pins)
        for step in task.plan.steps
        if isinstance(step, Install)
        for hashed in (True, False)
        if (pins := tuple(pin for pin in step.pins if bool(pin.hashes) is hashed))
    ]
    for number, install in enumerate(parts):
        folder = task.journal.wheels / str(number)
        folder.mkdir(parents=True)
        requirements = folder / "requirements.txt"
        requirements.write_text(installers.lines_of(install.pins), encoding="utf-8")
        checked, user = all(pin.hashes for pin in install.pins), task.ground.user
        folder_and_index = (str(folder), str(requirements), install.index, user, checked)
        job = installers.Job(python, *folder_and_index)
        try:
            _call(task, tool.fetch(job), job, f"{tool.name} could not download", network=True)
        except FailureError as error:
            ban, again = tool.sources.ban, "doctor fix"
            if ban:  # the user may have forbidden the network
                raise FailureError(ban.explain(error.why), ban.lift_command, again) from None
            again = f"run {again} again when the package index can be reached"
            raise FailureError(error.why, again) from None
        files, requested = tool.files(folder), len(install.pins)
        why = f"{requested} wheels were requested, but {tool.name} downloaded {files.wheels}"
        FailureError.when(files.wheels != requested, why)
        fetched.append((install, job, files))
    return fetched


def change(task: Transaction, environment: TargetEnvironment, fetched: Iterable[Fetched]) -> None:
    """Delete, remove, install, write files and set variables, in this order; `records.reach` has checked the paths."""
    plan, tool, journal, site = task.plan, task.tool, task.journal, environment.site
    pins = {pin.name for pin in plan.pins}
    for delete in (step for step in plan.steps if isinstance(step, DeletePath)):
        remove_tree(records.path_inside(environment, delete.path))
    records.remove_damaged(site, environment.root, {*plan.again, *pins})
    names = dict.fromkeys((*plan.removed, *plan.again))
    eggs = {n for n in names if any(site.glob(f"{n.replace('-', '_')}*.egg-info"))}
    to_remove = tuple(n for n in names if n in eggs or any(records.info_folders(site, {n})))
    if to_remove:
        job = installers.Job(environment.executable, str(journal.wheels), user=environment.user)
        _call(task, tool.remove(job, to_remove), job, f"{tool.name} did not install")
    for fetched_step in fetched:
        _install(task, environment, fetched_step)
    cloned = environment.live != journal.live
    old = journal.live if cloned else journal.other
    records.keep_shared(site, old / site.relative_to(environment.root), records.going(plan))
    for write in (step for step in plan.steps if isinstance(step, WriteFile)):
        path = records.path_inside(environment, write.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, write.text.encode("utf-8"))
    _set_variables(plan, environment)
    if cloned:
        records.relocate(environment.scripts, journal.token, records.info_folders(site, pins))


def _install(task: Transaction, environment: TargetEnvironment, fetched_step: Fetched) -> None:
    install, fetched, files = fetched_step
    # uninstalling the old versions deletes their files. Other files would be overwritten in place, which would also
    # change them in the other state if it shares them by hard links
    infos = records.info_folders(environment.site, {pin.name for pin in install.pins})
    gone = {path for info in infos for path, *_ in records.rows(info)}
    for path in records.install_paths(environment, files):
        if path not in gone and (path.is_symlink() or path.is_file()):
            path.unlink()
    # Python trusts byte code by time and size of its source, and two versions can share both
    for folder in {os.path.dirname(name) for name in files.inside if name.endswith(".py")}:  # noqa: PTH120
        remove_tree(environment.site / folder / "__pycache__")
    job = fetched._replace(python=environment.executable)
    _call(task, task.tool.install(job), job, f"{task.tool.name} could not install")


def make(task: Transaction, new: NewEnvironment | Rebuild) -> TargetEnvironment:
    """Create an environment in the folder of the other state, with the paths of its final place; return it."""
    journal, environment, python = task.journal, task.ground, new.python or sys.executable
    other = journal.other
    old = settings_of(str(environment.prefix)) if isinstance(new, Rebuild) else {}
    prompt = old.get("prompt", "").strip("'\"") or journal.live.name
    argv = [python, "-I", "-B", "-m", "venv", f"--prompt={prompt}", str(other)]
    argv += ["--without-pip"] if task.tool.name == "uv" else []
    if isinstance(new, Rebuild) and new.system_site:
        argv += ["--system-site-packages"]
    job = installers.Job(python, str(journal.wheels))
    _call(task, argv, job, "the environment could not be created")
    config = other / "pyvenv.cfg"
    replace(config, config.read_bytes().replace(journal.token.encode(), b""))
    records.relocate(other / SCRIPTS, journal.token, ())
    sites = [*other.glob("lib/python*/site-packages"), *other.glob("Lib/site-packages")]
    site = environment.prefix / sites[0].relative_to(other) if sites else environment.site
    # the new environment has its own interpreter names: the old one may have been started by another name
    created = environment._replace(site=site, python=_python_in(other)).moved_to(other)
    if isinstance(new, Rebuild):
        _take_over(task, new, created)
    return created


def _python_in(prefix: Path) -> str:
    name = "python.exe" if sys.platform == "win32" else "python"
    return f"{SCRIPTS}/{name}" if (prefix / SCRIPTS / name).exists() else f"{SCRIPTS}/python3"


def _take_over(task: Transaction, new: Rebuild, created: TargetEnvironment) -> None:
    """Copy what no index has from the old environment: local builds, and variables set in its activation scripts."""
    old = task.ground
    for info in records.info_folders(old.site, new.keeps):
        for path, *_ in records.rows(info):
            within = path.is_relative_to(old.prefix) and not path.is_symlink()
            copy = created.prefix / path.relative_to(old.prefix) if within else None
            if copy is not None and path.is_file() and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                clone(path, copy)
    for script in created.scripts.glob("[aA]ctivate*"):
        former = old.scripts / script.name
        text = former.read_text("utf-8", "surrogateescape") if former.is_file() else ""
        if block := _BLOCK.search(text):
            whole = script.read_text("utf-8", "surrogateescape").rstrip("\n") + f"\n{block[0]}"
            replace(script, whole.encode("utf-8", "surrogateescape"))


def _call(
    task: Transaction, argv: list[str], job: installers.Job, failed: str, *, network: bool = False
) -> None:
    env = task.tool.environment(os.environ, job, network=network)
    seconds = installers.FETCH_SECONDS if network else installers.INSTALL_SECONDS
    env = {
        **env,
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # for children of pip; pip itself ignores it because of -I
    completed = installers.start(argv, env, job.folder, seconds, task.journal.log)
    if not completed.ok:
        output = f"{completed.err}\n{completed.out}" if task.tool.name == "pip" else completed.err
        raise FailureError(
            f"{failed}: {explain_failure(output) if completed.how == 'exit' else completed.death}"
        )


def _set_variables(plan: Plan, environment: TargetEnvironment) -> None:
    """Set variables in a marked block of the activation scripts, or in conda's own file; keep those set earlier."""
    variables: dict[str, dict[str, str | None]] = {"activate": {}, "conda": {}, "printed": {}}
    for step in (step for step in plan.changes if isinstance(step, SetEnv)):
        none = not _NAME.fullmatch(step.name)
        FailureError.when(none, f"{step.name!r} is not the name of a variable")
        control = any(ord(char) < 32 for char in step.value or "")
        FailureError.when(control, f"the value of {step.name} contains a control character")
        variables[step.where][step.name] = step.value
    forms: dict[str, Any] = table("probes")["activation_scripts"]
    if variables["activate"]:
        present_scripts = [p for p in environment.scripts.glob("[aA]ctivate*") if p.is_file()]
        scripts = [path for path in present_scripts if path.name.lower() in forms]
        FailureError.when(not scripts, f"there is no activation script in {environment.scripts}")
        for path in scripts:
            _activation(path, variables["activate"], forms[path.name.lower()])
    if variables["conda"]:
        _conda(environment.prefix / "conda-meta" / "state", variables["conda"])


def _activation(path: Path, variables: Mapping[str, str | None], forms: Sequence[Any]) -> None:
    (to_set, to_unset, escapes) = forms
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    old = _BLOCK.search(text)
    old_lines = old[1].splitlines() if old else []
    lines = {line.rpartition("# ")[2].strip(): line for line in old_lines}
    for name, value in variables.items():
        quoted = "".join(escapes.get(character, character) for character in value or "")
        line = to_unset.format(name) if value is None else to_set.format(name, quoted)
        lines[name] = f"{line}  # {name}"
    end = "" if text.endswith("\n") else "\n"
    whole = _BLOCK.sub("", text) + end + "\n".join([_BEGIN, *lines.values(), _END, ""])
    replace(path, whole.encode("utf-8", "surrogateescape"))


def _conda(path: Path, settings: Mapping[str, str | None]) -> None:
    try:
        state: Any = json.loads(read_regular(path, _LARGEST)) if path.exists() else {}
        variables = state.setdefault("env_vars", {})
        # conda's own value for a variable that activation unsets
        variables |= {k: "***unset***" if v is None else v for k, v in settings.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise FailureError(f"{path} does not have the format that conda writes") from None
    replace(path, json.dumps(state).encode())
