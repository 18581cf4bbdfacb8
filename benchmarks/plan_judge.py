"""Judge cures and plans by real metadata: can what is printed be met, and does the plan cure and breed nothing.

What is the doctor's to say is read in two places, `printed` and `plan`; the verdict itself is uv's and the checks'.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import msgspec
import museum
import uv
from libraries.fixtures import resolve
from packaging.requirements import Requirement
from recorded.answers import Answers
from recorded.index import Index
from recorded.releases import GROUP, catalogue
from typed import ran

from tunedoctor.diagnosis.agreement import chosen, cures_shown, drafted
from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis, diagnose
from tunedoctor.diagnosis.registry import all_fixes
from tunedoctor.diagnosis.simulate import predict, severities
from tunedoctor.facts import Distribution, Host, Interpreter, Packages, TorchBuild
from tunedoctor.installers.uv import Failed, NoSolution, ResolveQuestion, Solved
from tunedoctor.model.findings import Check
from tunedoctor.model.machine import MachineError
from tunedoctor.model.plan import Install, Pin, Plan, Remove
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.make import question_for
from tunedoctor.planning.planner import planned
from tunedoctor.planning.set_request import NoPlanError
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_of

UV = uv.find_uv_bin()


class Printed(NamedTuple):
    """What the cures of all findings would install together."""

    ids: tuple[str, ...]
    """Findings with such a cure."""
    requirements: tuple[str, ...]
    variants: tuple[str, ...] = ()
    """Of PyTorch's indexes that are named: "cu128"."""


class Verdict(NamedTuple):
    """What was found of a machine."""

    name: str
    ids: tuple[str, ...]
    """Findings whose cure installs packages."""
    faults: tuple[str, ...]
    """Those that are no notes: a plan is to cure them."""
    requirements: tuple[str, ...]
    clash: str = ""
    """uv's word on the printed requirements; "" where they can be met."""
    end: str = ""
    why: str = ""
    left: tuple[str, ...] = ()
    """Faults that are there after the plan."""
    bred: tuple[str, ...] = ()
    """Errors and warnings that the plan brings in."""

    @property
    def good(self) -> bool:
        """The cures can be met together, and the plan cures and breeds nothing."""
        held = self.end == "planned" and not self.left and not self.bred
        return not self.clash and (held or not self.faults or not self.end)


def found_of(diagnosis: Diagnosis) -> list[DiagnosedFinding]:
    """Return causes and symptoms, each once."""
    every = (*diagnosis.causes, *(s for some in diagnosis.symptoms.values() for s in some))
    return list({one.check.id: one for one in every}.values())


def of_museum(checks: tuple[Check, ...]) -> Iterator[tuple[str, Snapshot]]:
    """Yield the machines of the museum that have several findings."""
    for name in museum.names():
        snapshot = museum.snapshot_of(name)
        if len(found_of(diagnose(snapshot, checks))) >= 2:
            yield name, snapshot


def printed(diagnosis: Diagnosis, snapshot: Snapshot) -> Printed:
    """Return what the printed cures install: the one place that knows how a cure holds requirements."""
    shown = cures_shown(diagnosis, snapshot, all_fixes).items()
    lines = {i: cure.installs for i, cure in shown if any(s.requirements for s in cure.installs)}
    steps = [step for several in lines.values() for step in several]
    wanted = dict.fromkeys(one for step in steps for one in step.requirements)
    named = dict.fromkeys(s.index.rpartition("/")[2] for s in steps if "/whl/" in s.index)
    return Printed(tuple(lines), tuple(wanted), tuple(named))


def plan(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: tuple[Check, ...]
) -> tuple[str, Plan | None, str]:
    """Return how planning ended, the doctor's plan, or why there is none: the one caller of the planner."""
    try:
        machine = machine_of(snapshot)
    except MachineError as error:
        return "nothing", None, str(error)
    where = question_for(machine)

    def look_up(
        install: Install, python: str, installed: Mapping[str, str]
    ) -> Install | NoSolution | Failed:
        # the interpreter of a recorded machine is not there to be asked
        del python
        kept = () if install.no_deps else tuple(f"{n}=={v}" for n, v in installed.items() if v)
        wanted = tuple(pin.requirement for pin in install.pins)
        asked_for = where._replace(requirements=wanted, preferred=kept, index_url=install.index)
        answer = resolve(asked_for._replace(dependencies=not install.no_deps))
        if not isinstance(answer, Solved):
            return answer
        asked = {pin.name: pin for pin in install.pins}
        pins = tuple(
            msgspec.structs.replace(
                asked.get(one.name, one), version=one.version, hashes=("sha256:0",)
            )
            for one in answer.pins
            if one.name in asked or installed.get(one.name) != one.version
        )
        return msgspec.structs.replace(install, pins=pins, no_deps=True)

    drafts = drafted(chosen(diagnosis, ()), snapshot, all_fixes())
    try:
        made = planned(snapshot, drafts, checks, Answers(resolve, look_up), all_fixes())
    except NoPlanError as error:
        return "refused", None, error.why
    return "planned" if made.plan.changes else "nothing", made.plan, ""


def clash_of(wanted: Printed, snapshot: Snapshot, index: Index) -> str:
    """Return why uv finds no set that meets requirements on a machine; "" where there is one."""
    host, interpreter = snapshot.find(Host), snapshot.find(Interpreter)
    version = interpreter.version if interpreter else "3.12"
    argv = [UV, "pip", "compile", "-", "--quiet", "--color", "never", "--no-header"]
    argv += ["--python-version", ".".join(version.split(".")[:2]), "--only-binary", ":all:"]
    argv += ["--python-platform", _platform(host), "--index-strategy", "unsafe-best-match"]
    argv += [word for variant in wanted.variants for word in ("--index", index.torch_url(variant))]
    with tempfile.TemporaryDirectory() as empty:
        lines = "".join(f"{one}\n" for one in wanted.requirements if _has_wheels(one))
        ended = ran(*argv, stdin=lines, cwd=Path(empty))
    return ended.stderr.strip() if ended.returncode else ""


def _has_wheels(requirement: str) -> bool:
    """Tell whether a requirement can be asked for without a build, as that of flash-attn cannot."""
    return not all(one.sdist for one in catalogue().of(Requirement(requirement).name).values())


def _platform(host: Host | None) -> str:
    if host is None or host.os == "linux":
        arm = host is not None and host.machine == "aarch64"
        return f"{'aarch64' if arm else 'x86_64'}-manylinux_2_40"
    return "x86_64-pc-windows-msvc" if host.os == "windows" else "aarch64-apple-darwin"


def judge_all(
    machines: Iterable[tuple[str, Snapshot]],
    checks: tuple[Check, ...],
    index: Index,
    *,
    plans: bool = True,
) -> list[Verdict]:
    """Judge several machines side by side."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda one: judge(*one, checks, index, plans=plans), machines))


def judge(
    name: str, snapshot: Snapshot, checks: tuple[Check, ...], index: Index, *, plans: bool = True
) -> Verdict:
    """Return what is to be said of the cures of a machine; the variables of the index are set."""
    diagnosis = diagnose(snapshot, checks)
    wanted = printed(diagnosis, snapshot)
    if not wanted.ids:
        return Verdict(name, (), (), ())
    had = severities(diagnosis)
    faults = tuple(i for i in wanted.ids if had[i] != "note")
    clash = clash_of(wanted, snapshot, index)
    found = Verdict(name, wanted.ids, faults, wanted.requirements, clash)
    lacks = snapshot.find(Packages) is None or snapshot.find(Interpreter) is None
    if not plans or not faults or lacks:
        return found
    end, made, why = plan(snapshot, diagnosis, checks)
    found = found._replace(end=end, why=why)
    if made is None or end != "planned":
        return found
    after = diagnose(predict(made, snapshot, metadata(made.pins, snapshot)), checks)
    has = severities(after)
    told = {i for i in has if has[i] != "note"}
    return found._replace(
        left=tuple(i for i in faults if i in told),
        bred=tuple(i for i in has if i in told and i not in had and i not in diagnosis.unknown),
    )


def metadata(pins: Iterable[Pin], before: Snapshot) -> dict[str, Distribution]:
    """Return what the record has of pins; what is put in again is what it was."""
    there, torch = before.find(Packages), before.find(TorchBuild)
    found: dict[str, Distribution] = {}
    for pin in pins:
        public, _, label = pin.version.partition("+")
        same = there is not None and there.version(pin.name).partition("+")[0] == public
        if same and label in ("", torch.variant if torch else ""):
            continue
        known = catalogue().labelled(pin.name, label) if label else catalogue().of(pin.name)
        release = known.get(pin.version) or catalogue().of(pin.name).get(public)
        found[pin.name] = Distribution(
            name=pin.name,
            version=pin.version,
            requires=release.requires if release else (),
            requires_python=release.python if release else "",
            installer="pip",
        )
    return found


def current(names: Iterable[str], python: str) -> dict[str, str]:
    """Return the newest set of packages that uv finds; the variables of the index are set."""
    answer = resolve(ResolveQuestion(tuple(names), python=python, platform="x86_64-manylinux_2_40"))
    if not isinstance(answer, Solved):
        raise SystemExit(str(answer))
    brought = ("nvidia-", "cuda-")
    return {p.name: p.version for p in answer.pins if not p.name.startswith(brought)}


def holding(base: Snapshot, versions: Mapping[str, str]) -> Snapshot | None:
    """Return a machine with these packages and no others; None where it takes no build of that torch."""
    torch = choose(msgspec.structs.replace(machine_of(base), torch=f"=={versions['torch']}")).build
    there = base.find(Packages)
    if torch is None or there is None:
        return None
    label = f"+{torch.variant}" if torch.variant != "mps" else ""
    held = {n: v + label if n in GROUP else v for n, v in versions.items()}
    # nvidia-cudnn-cu12==9.10.2.21; platform_system == "Linux"
    build = catalogue().labelled("torch", torch.variant)[held["torch"]] if label else None
    needs = map(Requirement, build.requires if build else ())
    host = base.find(Host)
    linux = host is not None and host.os == "linux"
    for one in needs:
        if linux and one.name.startswith(("nvidia-", "cuda-", "triton")):
            held[one.name] = str(one.specifier).removeprefix("==")
    return state(base, held)


def state(base: Snapshot, versions: Mapping[str, str]) -> Snapshot:
    """Return a machine with these packages, labels in their versions, and no others."""
    there = base.find(Packages) or Packages(distributions=())
    pins = tuple(Pin(name=n, version=v) for n, v in versions.items())
    gone = tuple(d.name for d in there.distributions if d.name not in versions)
    label = versions.get("torch", "").partition("+")[2]
    steps = (Remove(names=gone), Install(pins=pins, index=f"/whl/{label}" if label else ""))
    where = next((d.location for d in there.distributions), "")
    told = metadata(pins, base.having(Packages(distributions=())))
    placed = {n: msgspec.structs.replace(one, location=where) for n, one in told.items()}
    return predict(Plan(steps=steps), base, placed)


def sent_to(index: Index, folder: Path) -> "patch.dict[str]":
    """Return what sets the variables of an index for a while, and takes away those that lead elsewhere."""
    away = ("UV_", "PIP_", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(away)}
    return patch.dict(os.environ, {**kept, **index.variables(folder)}, clear=True)
