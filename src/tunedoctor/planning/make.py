"""Find a set for a machine and an environment: torch first, then the smallest change around it.

torch is pinned to the release of the wheel choice. Its metadata are those of the default index, which every release
is on; the label of the build (cu126, cpu …) changes nothing for the libraries around it. Where they exclude that
release, an older one that fits the machine is tried.
"""

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.diagnosis.simulate import build_of
from tunedoctor.facts import Interpreter, Packages, TorchBuild
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.uv import Failed, NoSolution, ResolveQuestion, Solved, lack
from tunedoctor.model.findings import Check
from tunedoctor.model.machine import Machine
from tunedoctor.model.plan import Fix, Pin, Scope
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import at_least, parts, simplify_specifiers
from tunedoctor.planning.conflict import describe_conflict, is_unknown_package
from tunedoctor.planning.search import BITSANDBYTES, TRIES, Clash, FoundSet, Task, search, speaking
from tunedoctor.planning.set_request import (
    GROUP,
    PAIRED,
    NoPlanError,
    SetRequest,
    TorchPick,
    exclude_package,
    floors,
    public,
    torch_pick,
    with_torch,
)
from tunedoctor.planning.source_only import Torch, ways_around
from tunedoctor.tables.load import table
from tunedoctor.wheels.situation import targets

_TRIES = 8
"""Rounds: each leaves out a package without wheels, or tries an older torch where the libraries exclude the first."""


class SetTarget(NamedTuple):
    """The machine or environment that the set is for, the index to ask, and the checks that judge the set."""

    machine: Machine
    ask: Asking
    snapshot: Snapshot = Snapshot({})
    """Facts of the environment; empty for a described machine."""
    checks: tuple[Check, ...] = ()
    """() for a described machine, of which only the given facts are known."""
    fixes: tuple[Fix, ...] = ()
    assumed: tuple[str, ...] = ()
    """Facts of the machine that were not given and are assumed."""
    whole: bool = False
    """The set includes everything a fine-tune needs, not only what is installed and asked for."""

    @property
    def installed_versions(self) -> dict[str, str]:
        """Installed versions by name."""
        packages = self.snapshot.find(Packages)
        return {d.name: d.version for d in packages.distributions} if packages else {}

    @property
    def torch(self) -> TorchBuild | None:
        """The build that is installed."""
        return self.snapshot.find(TorchBuild)

    @property
    def python(self) -> str:
        """The interpreter of the environment, for the commands; "" without an environment."""
        interpreter = self.snapshot.find(Interpreter)
        return interpreter.executable if interpreter else ""


class PlannedSet(NamedTuple):
    """A set, and what it was made from."""

    want: SetRequest
    question: ResolveQuestion
    found: FoundSet
    torch: TorchPick
    labels: dict[str, str]
    """torch and its companions -> the local label of their files."""
    dropped: dict[str, str]
    """Left out of a fresh set, with the reason."""

    @property
    def pins(self) -> dict[str, Pin]:
        """The set by name, without packages that only torch needs, because another build of torch needs other ones."""
        return {pin.name: pin for pin in self.found.pins if not _is_torch_library(pin)}

    @property
    def moved(self) -> dict[str, Pin]:
        """Packages that change or are added; also torch and its companions if only their build changes."""
        installed = self.want.installed
        torch_group = set[str]() if self.torch.kept else {*GROUP}
        return {
            n: pin
            for n, pin in self.pins.items()
            if n in torch_group or installed.get(n) != pin.version
        }

    @property
    def why(self) -> dict[str, str]:
        """Name -> why its version is another one."""
        torch = self.torch
        paired_reasons = dict.fromkeys(PAIRED, f"matches torch {torch.version}")
        requested = {name: self.want.why.get(name, "it was requested") for name in self.want.asked}
        return (
            requested
            | self.found.why
            | ({} if torch.kept else {"torch": torch.why, **paired_reasons})
        )


def _is_torch_library(pin: Pin) -> bool:
    """Return whether a pin is a CUDA library or Triton that only torch requires."""
    owners = {*pin.via} - {"torch"}
    return pin.name != "torch" and with_torch(pin.name) and all(map(with_torch, owners))


_GLIBC = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))
"""glibc floors that uv has names for."""


def _platform(machine: Machine) -> str:
    """Return uv's name for a platform, such as "x86_64-manylinux_2_28"; glibc 2.28 is the default."""
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.arch.lower(), machine.arch.lower())
    systems = {"macos": "apple-darwin", "windows": "pc-windows-msvc"}
    if machine.libc == "musl" or machine.platform in systems:
        return f"{arch}-{systems.get(machine.platform, 'unknown-linux-musl')}"
    have = parts(machine.glibc)[:2] or (2, 28)
    fits = [version for version in _GLIBC if version <= have] or [_GLIBC[0]]
    return f"{arch}-manylinux_{fits[-1][0]}_{fits[-1][1]}"


def question_for(machine: Machine) -> ResolveQuestion:
    """Return an empty question for the Python and the platform of a machine; of an unknown macOS for 14.0."""
    macos = (machine.macos or "14.0") if machine.platform == "macos" else ""
    return ResolveQuestion(
        (), python=machine.python.rstrip("t"), platform=_platform(machine), macos=macos
    )


def make(place: SetTarget, want: SetRequest) -> PlannedSet:
    """Return the set. Raises RefusedError if no set exists, or if that could not be decided."""
    machine = place.machine
    question = question_for(machine)._replace(excluded=want.own)
    torch_range = want.asked.get("torch", "")
    if want.scope is Scope.REBUILD:
        torch, torch_range = _torch_of_rebuild(place, want)
        want = want._replace(asked={**want.asked, "torch": torch_range})
    else:
        torch = torch_pick(machine, place.torch, torch_range, want.beside)
    own_build = _own(place, torch, want, question) if isinstance(torch, TorchPick) else None
    torch = own_build or torch
    if own_build is not None:
        want = want._replace(asked={**want.asked, "torch": f"=={own_build.label}"})
    if isinstance(torch, NoPlanError):
        raise torch
    best = own_build or torch_pick(machine, None, torch_range)
    newest = best.version if isinstance(best, TorchPick) else ""
    # what is asked for goes with torch in its newest release, not in an old one
    free = not torch.kept and bool({*want.asked} - {*GROUP})
    failure: Clash | Failed = Clash("", NoSolution(""))
    can_leave_out_bitsandbytes = want.fresh and BITSANDBYTES not in want.asked
    dropped = rocm_gap(machine, torch.variant) if can_leave_out_bitsandbytes else {}
    for _ in range(_TRIES):
        result = search(_task(place, want, torch, question, dropped, newest, free=free))
        if isinstance(result, FoundSet):
            better_torch = _fitting(machine, torch, result, newest, whole=free)
            if better_torch is None:
                result = result._replace(pins=tuple(_real(pin, torch) for pin in result.pins))
                labels = torch.labels(machine)
                index = "" if torch is own_build else place.ask.declared.placed(torch.index_url)
                torch = torch._replace(index_url=index)
                return PlannedSet(want, question, result, torch, labels, dropped)
            if isinstance(better_torch, TorchPick):
                torch, free = better_torch, False
                continue
            result = better_torch
        failure = result
        lacked = {*failure.answer.lacked} if isinstance(failure, Clash) else set[str]()
        if want.fresh and BITSANDBYTES in lacked - {*dropped, *want.asked}:
            why = f"it has no wheel for {question.platform} and Python {question.python}"
            dropped |= {BITSANDBYTES: why}
        elif built := lacked & {*want.installed} & {*want.roots} - {"torch", *_demanded(want)}:
            # the clash is about what it takes to build it here, as flash-attn, and here it is built
            want = exclude_package(want, min(built))
        else:
            break
    raise _refusal(place, want, failure, torch)


def _demanded(want: SetRequest) -> Iterable[str]:
    """Return the packages that must be added; in the larger scopes only those with given versions, not every root."""
    if want.scope is Scope.SMALLEST:
        return want.asked
    return (name for name, range_ in want.asked.items() if range_)


def _torch_of_rebuild(place: SetTarget, want: SetRequest) -> tuple[TorchPick | NoPlanError, str]:
    """Return the build for a rebuilt environment, and the versions it is chosen from.

    The installed build is used again, from its index, if it fits the machine and did not cause the problem.
    """
    machine, torch_range = place.machine, want.asked.get("torch", "")
    have = want.preferred.get("torch", "")
    if not have or torch_range:
        return torch_pick(machine, None, torch_range), torch_range
    installed, same = torch_pick(machine, place.torch, f"=={have}"), f"=={have}"
    listed = torch_pick(machine, None, same)
    if isinstance(installed, TorchPick) and installed.kept:
        # the row of the table tells the companions
        pick = listed if isinstance(listed, TorchPick) else installed
        index = installed.index_url if "+" in place.installed_versions.get("torch", "") else ""
        return pick._replace(
            version=installed.version,
            variant=installed.variant,
            index_url=index,
            kept=False,
            stand_in=installed.stand_in,
        ), same
    if isinstance(listed, TorchPick):
        return listed, same
    return torch_pick(machine, None, torch_range), torch_range


def _own(
    place: SetTarget, torch: TorchPick, want: SetRequest, question: ResolveQuestion
) -> TorchPick | None:
    """Return the newest fitting build of the user's own sources where PyTorch's index, which has `torch`, is silent."""
    if torch.kept or not torch.index_url:
        return None
    torch_versions = place.ask.torch_versions(torch.index_url)
    # a cure names the newest that fits; what the user asks for holds
    torch_range = "" if "torch" in want.why else want.asked.get("torch", "")
    for version in sorted(
        torch_versions, key=lambda version_of_source: public(version_of_source) != want.beside
    ):
        specifier = ",".join(filter(None, (torch_range, f"=={version}")))
        pick = torch_pick(place.machine, None, specifier)
        one_question = question._replace(requirements=(f"torch=={version}",), dependencies=False)
        if not isinstance(pick, TorchPick) or pick.label != version:
            continue
        if isinstance(place.ask.resolve(one_question), Solved):
            return pick
    return None


def _fitting(
    machine: Machine, torch: TorchPick, found_set: FoundSet, newest: str, *, whole: bool
) -> TorchPick | Clash | None:
    """Return the build to continue with for the torch of a set; None if the set has it, with companions if `whole`."""
    versions = {pin.name: public(pin.version) for pin in found_set.pins}
    have = versions["torch"]
    if have == (torch.stand_in or torch.version):
        companions = (("torchvision", torch.torchvision), ("torchaudio", torch.torchaudio))
        companions_differ = whole and any(v and versions.get(n, v) != v for n, v in companions)
        return torch if companions_differ else None
    minor = ".".join(have.split(".")[:2])
    for specifier in (f"=={have}", f"=={minor}.*,<={newest}", f"<={have}"):
        other_torch = torch_pick(machine, None, specifier)
        if isinstance(other_torch, TorchPick) and other_torch != torch:
            return other_torch
    why = f"the libraries need torch {have}, and no build of it fits this machine"
    return Clash(why, NoSolution(""))


def _refusal(
    place: SetTarget, want: SetRequest, failure: Clash | Failed, torch: TorchPick
) -> NoPlanError:
    """Return why there is no set, with what each source has of the missing packages; all sources must have answered."""
    index, ban = place.ask, place.ask.declared.ban
    if isinstance(failure, Failed):
        return NoPlanError(
            failure.text, *(() if ban else (_SETTLES[failure.why],)), ban=ban, silent=True
        )
    silent, names, why = index.partly, failure.answer.lacked, failure.why
    short = describe_conflict(failure.answer.text)
    if owners := [f"{n} {want.installed[n]}" for n in speaking(want.outside, failure.answer.text)]:
        why = f"{why}; {' and '.join(owners[:3])} outside the set also limit the versions"
    if names and index.declared.offline:
        why, silent = f"{why}; {lack(index.declared.offline).text}", True
    elif not silent and names and (source_only := index.source_only(names)):
        return _uncompiled(place, want, failure, torch, source_only)
    elif silent or (names and not short):
        lacking = index.lacking(names or ("torch",), "")
        # the answers of the sources say already that none has a package of this name
        is_said = why == failure.why and is_unknown_package(failure.answer.text)
        why = lacking if is_said else f"{why}; {lacking}"
    # what a source that does not answer may have is not taken out
    settles = _SETTLES["offline" if index.declared.offline else "network"]
    limits = (f"change the pins of {constraint.label}" for constraint in index.declared.constraints)
    remedies = (
        () if ban else filter(None, (*limits, settles if silent else _way_out(want, failure)))
    )
    return NoPlanError(why, *remedies, ban=ban, details=failure.answer.text, silent=silent)


def _uncompiled(
    place: SetTarget, want: SetRequest, clash: Clash, torch: TorchPick, source_only: dict[str, str]
) -> NoPlanError:
    """Return that packages are published only as source, and how to get them."""
    own = Torch(public(torch.version), torch.variant)
    remedies = [
        way for name in source_only for way in ways_around(name, place.machine, own, place.python)
    ]
    packages = " and ".join(f"{name} {version}" for name, version in source_only.items())
    verb = "are" if len(source_only) > 1 else "is"
    why = f"{packages} {verb} published only as source and must be compiled; doctor installs only wheels"
    owners = [n for n in source_only if n not in want.asked]
    if owners:
        why = f"{why}; {clash.why}"
    # what a finding asks for by name is no nearer in a larger scope
    final = want.scope is Scope.SMALLEST and not owners
    return NoPlanError(
        why, *remedies, details=clash.answer.text, source_only=source_only, final=final
    )


def _task(  # noqa: PLR0913  what is wanted, and what torch may be
    place: SetTarget,
    want: SetRequest,
    torch: TorchPick,
    question: ResolveQuestion,
    dropped: Container[str],
    newest: str,
    *,
    free: bool,
) -> Task:
    """Return the task of a search around one build of torch or, if it is `free`, any up to the newest."""
    installed = want.installed
    paired = {"torchvision": torch.torchvision, "torchaudio": torch.torchaudio}
    roots = [n for n in want.roots if n != "torch" and n not in dropped]
    bounds = (public(want.asked.get("torch", "")), f"<={newest}")
    range_ = (simplify_specifiers(filter(None, bounds)) if newest else None) or ""
    fixed = {n for n in PAIRED if paired[n]}
    fixed |= set() if range_ and "torch" in want.wished else {"torch"}
    torch_pins = [f"torch=={torch.stand_in or torch.version}"]
    torch_pins += [
        f"{n}=={v}" for n, v in paired.items() if n in roots and v and not want.asked.get(n)
    ]
    unrelated = (
        n for n in installed if n not in {"torch", *roots} and (torch.kept or not with_torch(n))
    )
    prefer = installed if want.scope is Scope.SMALLEST else want.preferred
    preferred_names = (n for n in prefer if n not in fixed and not with_torch(n))
    # uv settles first what is named first
    needs = sorted(_needs(want, roots), key=lambda line: not line.startswith(tuple(want.asked)))
    return Task(
        want,
        question._replace(
            requirements=(*needs, f"torch{range_}" if free else "torch"),
            constraints=want.limits,
            preferred=tuple(f"{n}=={prefer[n]}" for n in preferred_names),
        ),
        place.ask.resolve,
        iter(range(TRIES)),
        torch=() if free else tuple(torch_pins),
        torch_range=range_,
        # a rebuilt environment holds nothing but the set
        beside={} if want.scope is Scope.REBUILD else {n: installed[n] for n in unrelated},
        fixed=frozenset(fixed),
        build=(torch.kept and place.torch)
        or build_of(torch.version, torch.variant, mac=torch.variant == "mps"),
    )


def _needs(want: SetRequest, roots: Iterable[str]) -> Iterator[str]:
    """Yield the packages of the set, not older than the oldest that trained, or than the installed ones."""
    lowest = floors()
    for name in roots:
        requested, have = want.asked.get(name, ""), want.installed.get(name, "")
        floor = "" if requested else lowest.get(name, "")
        floor = have if floor and have and not at_least(have, floor) else floor
        yield name + ",".join(filter(None, (requested, f">={floor}" if floor else "")))


def rocm_gap(machine: Machine, variant: str) -> dict[str, str]:
    """Return bitsandbytes and why it does not run with a ROCm build on a machine's GPUs; {} if it does."""
    if not variant.startswith("rocm"):
        return {}
    release = ".".join(map(str, parts(variant.removeprefix("rocm"))[:2]))
    covered = _bitsandbytes_targets(
        "windows" if machine.platform == "windows" else "linux", release
    )
    lacks = [gpu.gfx for gpu in targets(machine).amd if gpu.gfx not in covered]
    why = "its wheel has no code for {} with ROCm {}"
    return {BITSANDBYTES: why.format(lacks[0], release)} if lacks else {}


def _bitsandbytes_targets(system: str, rocm: str) -> frozenset[str]:
    """Return the GPU targets of the library that bitsandbytes loads for a ROCm release; empty if it has none."""
    rocm_table = table("bitsandbytes_rocm")
    wanted_hip = parts(rocm_table["hip_of_rocm"].get(rocm, rocm))
    by_hip = {
        parts(hip): frozenset[str](row["gfx"])
        for row in rocm_table["rows"]
        if row["os"] == system
        for hip in row["hip"]
    }
    same_major = sorted(hip for hip in by_hip if hip[:1] == wanted_hip[:1])
    older = [hip for hip in same_major if hip <= wanted_hip]
    best = older[-1:] or same_major[:1]
    return by_hip[best[0]] if best else frozenset()


def _real(pin: Pin, torch: TorchPick) -> Pin:
    if pin.name == "torch":
        return replace(pin, version=torch.version)
    # of a folder of wheels the companions come with their label
    return replace(pin, version=public(pin.version)) if pin.name in PAIRED else pin


_SETTLES = {
    "no uv": "install uv next to doctor: pip install uv",
    "offline": "allow the network once: uv caches what it reads",
    "network": "set UV_DEFAULT_INDEX to a mirror, or use only the cache: doctor set --offline",
    "time": "run it again: what was read so far is cached",
    "uv": "request fewer packages, or set UV_DEFAULT_INDEX to another mirror",
}


def _way_out(want: SetRequest, clash: Clash) -> str:
    if requested_names := clash.answer.names(want.asked):
        return f"leave out {' or '.join(requested_names)}, or request other versions"
    if missing_names := clash.answer.lacked:
        return f"set UV_INDEX or pip's index-url to an index that has {' and '.join(missing_names[:3])}"
    # what the set is for, torch above all, is never advised away
    removable = [name for name in clash.answer.names(want.installed) if name not in want.roots]
    return f"remove {' or '.join(removable[:2])}: pip uninstall {removable[0]}" if removable else ""
