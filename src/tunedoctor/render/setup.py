"""The set-up of a bare machine as a shell script: a root part and a user part, each step checked first."""

import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.facts import Container, Host, Interpreter, PciBus
from tunedoctor.model.findings import Variable
from tunedoctor.model.machine import gpus_of
from tunedoctor.model.plan import Install, NewEnvironment, Plan
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.render.formats.words import flat
from tunedoctor.render.script import MARK, commands_of_step, pin_lines, render_script, source_of
from tunedoctor.tables.gpus import nvidia_by_pci
from tunedoctor.tables.load import rows, table
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.wheels.cures import driver_row, on_board
from tunedoctor.wheels.pick import KINDS
from tunedoctor.wheels.rules import driver_floor

_SCRIPT = Path(__file__).with_suffix(".sh")
"""The script template; each line `#: NAME` is replaced for the machine."""


class SetupMachine(NamedTuple):
    """The facts that a setup script depends on."""

    host: Host
    place: str
    """metal, wsl or container."""
    vendors: tuple[str, ...]
    """Of the GPUs that the environment is to use."""
    old_card: bool = False
    variables: tuple[tuple[str, str], ...] = ()


class _Step(msgspec.Struct, frozen=True):
    says: str = ""
    look: str = ""
    id: str = ""
    vendors: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    version: str = ""
    do: tuple[str, ...] = ()
    loads: str = ""
    after: str = ""


def render_plan_script(
    plan: Plan, snapshot: Snapshot, tool: str, cures: Iterable[object] = ()
) -> str:
    """Return a plan as a script; for a new environment on Linux with the set-up of the machine.

    `tool` is pip or uv; of `cures` the variables are set.
    """
    if plan.new is not None and is_setup(plan, snapshot):
        return render_setup(plan, plan.new, setting_of(snapshot, plan, cures))
    own = snapshot.find(Interpreter)
    python, prefix = (own.executable, own.prefix) if own else ("", "")
    return render_script(plan, python, prefix, tool)


def is_setup(plan: Plan, snapshot: Snapshot) -> bool:
    """Return whether a plan's script is a set-up with a root part: a new environment on Linux."""
    return plan.new is not None and Facts(snapshot).host.os == "linux"


def setting_of(snapshot: Snapshot, plan: Plan, cures: Iterable[object] = ()) -> SetupMachine:
    """Return the machine from a snapshot, the GPUs from a plan, and variables from fixes."""
    facts = Facts(snapshot)
    pci = snapshot.find(PciBus)
    models = [nvidia_by_pci(device.device) for device in pci.of("10de")] if pci else []
    vendors_present = {gpu.vendor for gpu in gpus_of(snapshot)} | ({"nvidia"} if models else set())
    build = _variant(plan)
    vendors = {
        vendor
        for vendor in vendors_present
        if vendor in KINDS and (not build or KINDS[vendor][:2] == build[:2])
    }
    return SetupMachine(
        facts.host,
        "wsl" if facts.host.wsl else "container" if snapshot.find(Container) else "metal",
        tuple(sorted(vendors)),
        bool(models) and all(model and model.last_branch for model in models),
        tuple((s.name, s.value) for s in cures if isinstance(s, Variable) and s.value),
    )


def _variant(plan: Plan) -> str:
    """Return the label of the torch in a plan: cpu, cu130; "" for the default index's build."""
    return next((p.version.partition("+")[2] for p in plan.pins if p.name == "torch"), "")


def render_setup(
    plan: Plan, new: NewEnvironment, at: SetupMachine, python: str = sys.executable
) -> str:
    """Return the set-up as a POSIX script; `python` is doctor's, with its command in the same folder."""
    installs = [step for step in plan.steps if isinstance(step, Install)]
    pins = [line for step in installs for line in pin_lines(step.pins)]
    name = f"{flat(at.host.name)} ({' and '.join(at.vendors) or 'no GPU'})"
    managers: list[dict[str, Any]] = table("setup")["managers"]
    words = next((row for row in managers if at.host.distro in row["ids"]), managers[-1])
    root = [*_root(words, plan, at)]
    names = {"python": new.python or "python3", "prefix": new.path}
    names["doctor"] = str(Path(python).with_name("doctor"))
    names["wanted"] = f"done {sha256(chr(10).join(pins).encode()).hexdigest()[:16]}"
    parts: dict[str, Iterable[str]] = {
        "head": [
            f"{MARK.splitlines()[1]}: a new environment",
            f"# Sets up {name} for fine-tuning.",
        ],
        "reasons": [f"# {flat(reason)}" for reason in plan.reasons],
        "names": [f"{key}={shlex.quote(text)}" for key, text in names.items()],
        "helpers": _helpers(words, "\n".join(root)),
        "root": root,
        "ready": _ready(at),
        "installs": (*_installs(installs), *_variables(at)),
    }
    text = _SCRIPT.read_text(encoding="utf-8").splitlines()
    lines = (parts[line[3:]] if line.startswith("#: ") else [line] for line in text)
    return "\n".join(line for line_group in lines for line in line_group) + "\n"


def _helpers(words: dict[str, Any], text: str) -> Iterator[str]:
    for name, body in {"packages": words["packages"], **table("setup")["helpers"]}.items():
        if f" {name} " in text or f"({name} " in text:
            yield from (f"{name}() {{", *(f"    {line}" for line in body), "}", "")


def _root(words: dict[str, Any], plan: Plan, at: SetupMachine) -> Iterator[str]:
    for step in _steps(at):
        lines = [*_commands(step, words, plan, at)]
        yield from ("", f"    begin {shlex.quote(step.says)}")
        yield f"    if {{ {step.look}; }} >/dev/null 2>&1; then"
        yield "        done_with 'nothing to do'"
        if lines:
            yield from ("    else", *(f"        {line}" for line in lines))
            if not lines[-1].startswith("stop "):
                yield "        done_with 'done'"
        yield "    fi"
        if step.loads:
            yield f"    {{ {step.loads}; }} >/dev/null 2>&1 ||"
            yield f"        later=$(printf '%s\\n  %s' \"$later\" {shlex.quote(step.after)})"


def _steps(at: SetupMachine, key: str = "steps") -> Iterator[_Step]:
    """Yield the rows for this machine; of several with one id, the first."""
    used_ids: set[str] = set()
    for step in rows("setup", key, _Step):
        ours = not step.vendors or not {*step.vendors}.isdisjoint(at.vendors)
        ours = ours and (not step.place or at.place in step.place) and step.id not in used_ids
        ours = ours and (not step.ids or at.host.distro in step.ids)
        if ours and at.host.distro_version.startswith(step.version):
            used_ids |= {step.id} - {""}
            yield step


def _commands(step: _Step, words: dict[str, Any], plan: Plan, at: SetupMachine) -> Iterator[str]:
    """Yield the lines of a step, filled in for this distribution."""
    for line in step.do:
        if line == "{driver}":
            driver = [*_driver(plan, at)]
            yield from driver
            if driver[-1].startswith("stop "):
                return
        else:
            yield re.sub(r"(?<!\$)\{(\w+)\}", lambda match: str(words[match[1]]), line)


def _driver(plan: Plan, at: SetupMachine) -> Iterator[str]:
    """Yield how to install the driver that the wheel needs: the package source, then the packages.

    Unverified packages, or ones with an unknown source, become advice for the user.
    """
    variant = _variant(plan)
    floor = driver_floor(cuda_of(variant), windows=False)
    row = None if on_board(at.host) else driver_row(at.host, floor, old_card=at.old_card)
    preparation = next(_steps(at, row["before"]), None) if row and "before" in row else _Step()
    command = row["command"] if row else ""
    if row and preparation and not row["unverified"] and command.startswith("sudo "):
        yield from (*preparation.do, *command.replace("sudo ", "").split(" && "))
        return
    need = f"NVIDIA driver {floor} or newer" if floor else "the NVIDIA driver"
    note = f" ({row['note']})" if row and "note" in row else ""
    how = f", as yourself: {command}{note}" if row else " as the maker of this system describes"
    yield f"stop {shlex.quote(f'install {need}{how}; then run this again')}"


def _ready(at: SetupMachine) -> Iterator[str]:
    for step in _steps(at, "ready"):
        says = f"{step.says}: first run the root part of this file, with sudo"
        yield f"    {{ {step.look}; }} >/dev/null 2>&1 || stop {shlex.quote(says)}"


def _installs(installs: Iterable[Install]) -> Iterator[str]:
    for step in installs:
        for words, pins in commands_of_step(step):
            yield "        cat >\"$requirements\" <<'END'"
            yield from (*pin_lines(pins), "END")
            yield f'        "$prefix/bin/python" -I -m pip install {words}{source_of(step, "pip")} -r "$requirements"'


def _variables(at: SetupMachine) -> Iterator[str]:
    for name, value in at.variables:
        line = shlex.quote(f"export {name}={shlex.quote(value)}")
        is_set = f'grep -qxF {line} "$prefix/bin/activate"'
        yield f"        {is_set} || printf '%s\\n' {line} >>\"$prefix/bin/activate\""
