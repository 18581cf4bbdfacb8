"""What must be said where nothing fits: the constraint in the way, and what its removal gives."""

from tunedoctor.versions import parts
from tunedoctor.wheels.blocked import WayOut, label_of, without_label
from tunedoctor.wheels.choice import Said
from tunedoctor.wheels.pick import Question, allowed, releases, unlabelled
from tunedoctor.wheels.say_cuda import about_code, about_old_gpus, opt_ins
from tunedoctor.wheels.say_release import INTEL_MAC, about_system, no_label
from tunedoctor.wheels.say_rocm import about_gfx
from tunedoctor.wheels.situation import Situation, driver_words, names_of


def about_blocked(s: Situation, ways: list[WayOut]) -> list[Said]:
    """Return what to say where nothing fits as things are: the constraint in the way, and what its removal gives."""
    q, first = s.question, ways[0]
    asked = f" {q.torch}" if q.torch else ""
    said: list[Said] = [("", f"no torch{asked} fits as things are: {_in_words(s, first)}")]
    actions = {way.action for way in ways}
    if first.action == "upgrade_driver":
        said.append(("upgrade_driver", _driver_in_words(s, first)))
        said += opt_ins(s, first.found[0])
        if "change_python" in actions:
            said += _python_against_driver(s, ways)
    if first.action == "change_python" or (
        first.action == "upgrade_driver" and not _has_python(q) and "change_python" in actions
    ):
        said += _no_python(s)
    if first.found[0].variant.startswith("cu") and any(
        way.action in _OTHER_RELEASE for way in ways
    ):
        said += about_code(s, newer=first.action == "use_newer_torch")
    if first.found[0].variant.startswith("rocm"):
        said += about_gfx(s, newer=first.action == "use_newer_torch")
    said += [*about_system(s, None), *about_old_gpus(s)]
    if label_of(q.torch) and unlabelled(q.family, label_of(q.torch)):
        arm = q.family == "linux_aarch64"
        said.append(no_label(without_label(q.torch)) if arm else ("", _MACOS_LABEL))
    if s.question.family == "macos_x86_64":
        said.append(INTEL_MAC)
    return said


_OTHER_RELEASE = ("use_older_torch", "use_newer_torch", "fix_requirement")
_MACOS_LABEL = "wheels for macOS carry no label on any index"


def about_nothing(s: Situation, vendor: str) -> list[Said]:
    """Return what to say where no build of any release serves the GPUs of a vendor."""
    names = names_of(s.gpus.of(vendor))
    if vendor == "nvidia" and s.question.family == "linux_aarch64":
        why = f"no aarch64 build of any release was compiled for {names}"
        return [("gpu_not_in_aarch64_builds", why)]
    if vendor == "amd" and s.question.family == "linux_aarch64":
        return [("gpu_not_supported", "ROCm builds are made for Linux on x86_64 alone")]
    if vendor == "intel":
        return [("gpu_not_supported", "XPU builds are made for x86_64 alone")]
    why = f"no build for this platform, of any release since 2.0, holds code for {names}"
    return [("gpu_not_supported", why)]


def _python_against_driver(s: Situation, ways: list[WayOut]) -> list[Said]:
    python = next(way for way in ways if way.action == "change_python")
    first = min(
        (r for r in releases() if s.question.python in r.pythons(s.question.family)),
        key=lambda r: r.parsed,
        default=None,
    )
    if first is None or python.found[0].release.parsed >= first.parsed:
        return []
    tag, driver = s.question.python, s.machine.driver_version
    why = f"Python {tag} has wheels from torch {first.version} on, none of which runs on driver {driver}"
    return [("python_too_new_for_driver", why)]


def _no_python(s: Situation) -> list[Said]:
    q = s.question
    wanted = f"torch {q.torch}" if q.torch else "torch"
    has = [r for r, _ in allowed(q.torch) if q.python in r.pythons(q.family)]
    tags = {t for r, _ in allowed(q.torch) for t in r.pythons(q.family)}
    if has:
        span = f"{has[-1].version} to {has[0].version}" if len(has) > 1 else has[0].version
        why = f"for Python {q.python} {wanted} has wheels of {span}, and none of them fits here"
    else:
        why = f"{wanted} has no wheel for Python {q.python} here"
    said: list[Said] = [("python_not_supported", why)]
    if not has and tags and parts(q.python) < min(parts(t) for t in tags):
        why = f"the oldest Python with wheels of it is {min(tags, key=parts)}"
        said.append(("python_old", why))
    elif has and parts(q.python) < min(parts(t) for t in allowed("")[0][0].pythons(q.family)):
        why = f"torch {has[0].version} is the last with wheels for Python {q.python}"
        said.append(("python_old", why))
    if q.python == "3.13t":
        said.append(
            (
                "free_threaded_313_dropped",
                "free-threaded 3.13 ended with torch 2.12.0; 3.14t goes on",
            )
        )
    return said


def _has_python(q: Question) -> bool:
    return any(q.python in r.pythons(q.family) for r, _ in allowed(q.torch))


def _in_words(s: Situation, way: WayOut) -> str:
    build = way.found[0].build
    match way.action:
        case "upgrade_driver":
            return f"a newer driver gives {build}"
        case "change_python":
            return f"another Python gives {build} {way.after}"
        case "upgrade_os":
            return f"a newer system gives {build} {way.after}"
        case "fix_requirement" if build.variant == label_of(s.question.torch):
            return f"its files carry no label, so {without_label(s.question.torch)} finds {build}"
        case "fix_requirement":
            return f"{s.question.torch} names a build that does not fit; {build} does"
        case _:
            return f"another release does: {build}"


def _driver_in_words(s: Situation, way: WayOut) -> str:
    have = driver_words(s.machine)
    return f"{have} is too old for {way.found[0].build}: it runs {way.after}"
