"""What `uv --torch-backend=auto` picks beside what the doctor picks, over a file of cases.

    python benchmarks/uv_auto.py [CASES]

uv's rule is emulated (uv_auto.json says from where): it looks at the driver, the lowest gfx target, or an Intel
display controller, and takes the first index in its list that has any version in range. The indexes hold what the
doctor's table holds. Both picks are judged by the same function. Where a case says what uv really did, the
emulation is compared with it.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.model.machine import Gpu, Machine, MachineError
from tunedoctor.model.versions import at_least, parts, specifiers
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import Release, releases
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_from
from tunedoctor.wheels.pick import native_gfx, serves
from tunedoctor.wheels.situation import Situation, identify_gpu, jetpack_of, situation

CASES = Path(__file__).parents[2] / "shared/cases/wheels.jsonl"
UV: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
INTEL = "intel"


class Taken(NamedTuple):
    """A wheel that an installer takes; (None, "") where it finds none."""

    release: Release | None
    variant: str = ""

    def __str__(self) -> str:
        """Return "2.14.1+cu126"."""
        return f"{self.release.version}+{self.variant}" if self.release else "none"


def uv_auto(m: Machine) -> Taken:
    """Return what uv takes."""
    for variant in _indexes(m):
        for release in releases():
            if _on_index(m, release, variant):
                return Taken(release, variant)
    return Taken(None)


def _indexes(m: Machine) -> Iterator[str]:
    """Return the indexes in the order in which uv tries them."""
    gpus = [identify_gpu(gpu) for gpu in m.gpus]
    gfx = sorted(gpu.gfx for gpu in gpus if gpu.vendor == "amd" and _known_to_uv(gpu.gfx))
    if m.platform != "macos" and m.driver_version:
        for variant, floor in UV["linux"]:
            need = _windows_floor(variant) if m.platform == "windows" else floor
            if at_least(m.driver_version, need):
                yield variant
    elif m.platform == "linux" and gfx and m.rocm_tools is not False:
        yield from (v for v in UV["amd_order"] if gfx[0] in UV["amd_gfx"].get(v, ()))
    elif m.platform in ("linux", "windows") and any(gpu.vendor == INTEL for gpu in gpus):
        yield "xpu"
        return
    yield "cpu"


def _known_to_uv(gfx: str) -> bool:
    return any(gfx in listed for listed in UV["amd_gfx"].values())


def _windows_floor(variant: str) -> str:
    floors: dict[str, str] = UV["windows_floors"]
    number = int(variant.removeprefix("cu"))
    for name, floor in floors.items():
        low, _, high = name.replace("cu", "").partition("-")
        if low.endswith("x") and len(str(number)) == len(low) and str(number).startswith(low[:-1]):
            return floor
        if low.isdigit() and int(low) <= number <= int(high or low):
            return floor
    raise KeyError(variant)


def _on_index(m: Machine, release: Release, variant: str) -> bool:
    """Tell whether an index has a wheel of a release that uv takes for usable here."""
    s = situation(m)
    family, python = s.question.family, s.question.python
    arm = m.arch.lower() in ("aarch64", "arm64")
    if m.libc == "musl":
        family = "linux_aarch64" if arm else "linux_x86_64"
    if python not in release.pythons(family):
        return False
    has = [b for b in release.builds if b.platform == family and b.variant in (variant, "mps")]
    return (
        any(b.seen or b.kind == "cuda" for b in has)
        and _in_range(m, release, variant, family)
        and _tag_fits(s, release, variant, family)
    )


def _in_range(m: Machine, release: Release, variant: str, family: str) -> bool:
    bare = family.startswith("macos") or (family, variant) == ("linux_aarch64", "cu124")
    wanted = specifiers(m.torch)
    label = "" if bare else f"+{variant}"
    return wanted is not None and wanted.contains(release.version + label, prereleases=True)


def _tag_fits(s: Situation, release: Release, variant: str, family: str) -> bool:
    """Tell whether the platform tag of a wheel is accepted: a plain linux tag is everywhere, even on musl."""
    if family == "macos_arm64":
        return s.question.macos >= release.floor(family, s.question.python)
    if not family.startswith("linux"):
        return True
    old = parts(release.version) <= ((2, 5, 1) if _of_arm_gpu(family, variant) else (2, 6, 0))
    if old and (release.version, variant) != ("2.6.0", "cu126"):
        return True
    return s.machine.libc != "musl" and s.question.glibc >= (2, 28)


def _of_arm_gpu(family: str, variant: str) -> bool:
    return family == "linux_aarch64" and variant != "cpu"


def outcome(m: Machine, taken: Taken, newest: str) -> str:
    """Return what comes of a wheel on a machine; `newest` is the newest release that would work there, or ""."""
    s = situation(m)
    if taken.release is None:
        return "error"
    if not _loads(s, taken):
        return "broken"
    gpus = (*s.gpus.nvidia, *s.gpus.amd, *s.gpus.intel)
    waiting = [g for g in s.gpus.out("no driver", "open module") if g.vendor == "nvidia"]
    if taken.variant in ("cpu", "mps"):
        return "cpu_silently" if gpus and m.platform != "macos" else "works"
    mine = [g for g in gpus if g.vendor == _vendor(taken.variant)]
    if not mine:
        return "wrong_vendor" if gpus or waiting else "unneeded_gpu_build"
    served = [g for g in mine if _serves(taken, g, s.question.family)]
    if len(served) < len(mine):
        return "broken_for_some" if served else "broken"
    return "works_older" if newest and parts(taken.release.version) < parts(newest) else "works"


def _loads(s: Situation, taken: Taken) -> bool:
    """Tell whether a wheel can be imported: C library, and the driver stack of old Jetsons."""
    jetpack = jetpack_of(s.machine)
    if s.machine.libc == "musl" or (jetpack is not None and jetpack < 7):
        return False
    family, release = s.question.family, taken.release
    if release is None or not family.startswith("linux"):
        return True
    build = release.build(family, taken.variant)
    return s.question.glibc >= (build.system if build else release.floor(family, s.question.python))


def _vendor(variant: str) -> str:
    return {"cu": "nvidia", "ro": "amd", "xp": INTEL}.get(variant[:2], "")


def _serves(taken: Taken, gpu: Gpu, family: str) -> bool:
    release = taken.release
    if release is None or gpu.vendor == INTEL:
        return release is not None
    if gpu.vendor == "amd":
        return any(
            native_gfx(gpu.gfx) in build.targets
            for build in release.of(family, "rocm")
            if build.variant == taken.variant
        )
    build = release.build(family, taken.variant)
    return build is not None and serves(build, frozenset({gpu.compute_capability}))


def ours(m: Machine, newest: str) -> tuple[str, str]:
    """Return the doctor's pick and its outcome; where it picks nothing, what it tells to do."""
    choice = choose(m)
    if choice.build is None:
        return choice.action, "told what to do"
    release = next(r for r in releases() if r.version == choice.build.torch_version)
    taken = Taken(release, choice.build.variant)
    judged = outcome(m, taken, newest)
    if choice.action == "cpu_only" or (judged == "broken_for_some" and choice.hidden):
        judged = "told what to do"
    return str(taken), judged


def _agrees(said: dict[str, Any], taken: Taken) -> bool:
    if said["torch_version"] is None:
        return taken.release is None
    if taken.release is None or taken.variant != said["variant"]:
        return False
    version = str(said["torch_version"])  # ">=2.14.0" where nobody saw what the index holds
    return (
        at_least(taken.release.version, version[2:])
        if version[0] == ">"
        else (taken.release.version == version)
    )


def main() -> None:
    """Print the table, the sums, and how far the emulation is uv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="?", type=Path, default=CASES)
    path: Path = parser.parse_args().cases
    if not path.is_file():
        sys.exit(f"{path} is not there: name a file with a JSON object of a machine on each line")
    sums: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    told = same = judged = 0
    print(f"torch {releases()[0].version} in the table of {table('torch_wheels')['as_of']}")
    print(f"{'case':<8}{'uv --torch-backend=auto':<26}{'outcome':<20}{'doctor':<26}outcome")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row: dict[str, Any] = json.loads(line)
        try:
            m = machine_from(row)
        except MachineError as error:
            sys.exit(f"{path}, line {number}: {error}")
        choice = choose(m)
        newest = choice.build.torch_version if choice.build and choice.action == "install" else ""
        taken = uv_auto(m)
        theirs = outcome(m, taken, newest)
        mine, result = ours(m, newest)
        sums[0][theirs] += 1
        sums[1][result] += 1
        said = row.get("uv_auto")
        agrees = said is None or _agrees(said, taken)
        if said is not None:
            told += 1
            same += agrees
            judged += said["outcome"] == theirs
        mark = "" if agrees else f"   uv itself: {said['torch_version']}+{said['variant']}"
        name = row.get("id", number)
        print(f"{name:<8}{taken!s:<26}{theirs:<20}{mine:<26}{result}{mark}")
    for who, count in zip(("uv", "doctor"), sums, strict=True):
        print(f"{who:<8}" + ", ".join(f"{what} {n}" for what, n in count.most_common()))
    if told:
        print(f"emulation: {same} of {told} picks are those of the cases, {judged} outcomes too")


if __name__ == "__main__":
    main()
