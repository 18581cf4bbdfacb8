"""What the GPUs, the installer and the environment ask to be said, and what to do about the driver first."""

import re
from collections.abc import Iterable, Iterator

from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.load import table
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Action, Choice, Said, say
from tunedoctor.wheels.machine import Gpu
from tunedoctor.wheels.pick import KINDS, fitting, offered, override_of
from tunedoctor.wheels.rules import first_driver, last_driver
from tunedoctor.wheels.say_release import virtual
from tunedoctor.wheels.situation import (
    NOT_DRIVEN,
    Situation,
    affirmed,
    family_of,
    floor_words,
    is_data_centre,
    names_of,
    newest_driver,
    override_of_all,
)

_OPTIONS = re.compile(
    r"--(?:extra-)?index-url|--index\b|--default-index|--find-links|tool\.uv\.index|(?<!\S)-[if](?=\s)"
)


def about_gpus(s: Situation) -> Iterator[Said]:
    """Yield what the machine's GPUs ask to be said, whatever was chosen."""
    out, driver = s.gpus.out, s.machine.driver_version
    working = s.gpus.nvidia or s.gpus.amd or s.gpus.intel
    if gpus := out("not supported"):
        yield say("gpu_not_supported", gpus=names_of(gpus))
        yield say("gpu_ignored:too_old", gpus=names_of(gpus))
    if gpus := out("excluded", "integrated"):
        yield say("gpu_ignored", gpus=names_of(gpus))
    if gpus := out("not xpu"):
        yield say("gpu_ignored:not_xpu" if working else "igpu_not_xpu", gpus=names_of(gpus))
    too_new = [g for g in out("driver too new") if last_driver(g.compute_capability) == "580"]
    if too_new:
        names = names_of(too_new)
        yield say("driver_590_dropped_this_gpu", driver=driver, gpus=names, branch="580")
    yield from _nvidia(s)
    yield from _amd(s)
    # nothing to work with: in a container the GPU may be outside
    alone = driver and not _of_nvidia(out(*NOT_DRIVEN))
    kept_out = working or _of_nvidia(out("excluded", "not supported"))
    if not kept_out and s.machine.platform != "macos" and (_in_container(s) or alone):
        key = "container_without_gpu:driver" if driver else "container_without_gpu"
        yield say(":driver_without_gpu" if s.machine.platform == "windows" else key, driver=driver)


def _nvidia(s: Situation) -> Iterator[Said]:
    machine, gpus = s.machine, s.gpus
    waiting = _of_nvidia(gpus.out(*NOT_DRIVEN))
    every = (*gpus.nvidia, *waiting)
    if machine.platform == "wsl" and every:
        yield say("wsl_driver_is_on_windows")
    old = [g for g in every if last_driver(g.compute_capability)]
    new = [g for g in every if parts(g.compute_capability) >= (10, 0)]
    if machine.platform == "linux" and old and new:
        yield say("open_module_excludes_pre_turing", new=names_of(new), old=names_of(old))
    if gpus.nvidia and waiting and len({g.compute_capability for g in every}) > 1:
        yield say("mixed_gpus:driven", gpus=names_of(gpus.nvidia), others=names_of(waiting))
    elif gpus.nvidia and waiting:
        yield say("gpu_ignored:undriven", gpus=names_of(waiting))
    elif len(s.question.capabilities) > 1:
        yield _together(s, "nvidia")
    if waiting and not machine.driver_version and (gpus.amd or gpus.intel):
        yield say("nvidia_driver_missing", gpus=names_of(waiting))


def _of_nvidia(gpus: Iterable[Gpu]) -> tuple[Gpu, ...]:
    return tuple(g for g in gpus if g.vendor == "nvidia")


def _together(s: Situation, vendor: str) -> Said:
    """Say which GPU forces the choice, where another one, alone, would have got a newer release."""
    gpus, kind = s.gpus.of(vendor), KINDS[vendor]
    if not fitting(s.question, kind):
        return say("mixed_gpus:none", gpus=names_of(gpus))
    alone = {g.target: fitting(s.question.about(vendor, [g]), kind) for g in gpus if g.target}
    newest = max((found[0].release.parsed for found in alone.values() if found), default=None)
    forcing = [
        g for g in gpus if not (found := alone.get(g.target)) or found[0].release.parsed != newest
    ]
    if not forcing or len(forcing) == len(gpus):
        return say("mixed_gpus:all", gpus=names_of(gpus))
    names = names_of(forcing)
    return say("mixed_gpus:some" if " and " in names else "mixed_gpus:one", gpus=names)


def _amd(s: Situation) -> Iterator[Said]:
    gpus = s.gpus.amd
    if s.machine.platform != "linux" or not gpus:
        return
    if len(s.question.gfx) > 1:
        yield _together(s, "amd")
    if s.machine.rocm_tools is False or any("kfd" in g.seen_by.lower() for g in gpus):
        yield say("gpu_found_by_kfd", gpus=names_of(gpus))
    if overridden := [g for g in gpus if override_of(g.gfx)]:
        values = " ".join(f"{k}={v}" for k, v in override_of_all(gpus).items())
        nodes = " (the number is the GPU's Node in rocminfo)" if "VERSION_" in values else ""
        yield say("hsa_override_10_3_0", gpus=names_of(overridden), values=values, nodes=nodes)


def _in_container(s: Situation) -> bool:
    """Tell whether what is known of the environment names a container."""
    return any(
        affirmed(value) and named_as("container_words", f"{key} {value}")
        for key, value in s.machine.env.items()
    )


def undriven(s: Situation) -> Choice | None:
    """Return the answer where GPUs are there but none is driven: what to do about the driver first; None elsewhere."""
    for why in NOT_DRIVEN:
        if gpus := _of_nvidia(s.gpus.out(why)):
            return None if why == "no driver" and _in_container(s) else _wait_for(s, why, gpus)
    amd = [g for g in s.gpus.out("no driver") if g.vendor == "amd"]
    if not amd or _in_container(s):
        return None
    known = any(g.gfx for g in amd)
    found = fitting(s.question.about("amd", amd), "rocm") if known else ()
    said = say(":amdgpu_missing", gpus=names_of(amd))
    return Choice.of("install_driver", [said], offered(found, "after the driver"))


def _wait_for(s: Situation, why: str, gpus: tuple[Gpu, ...]) -> Choice:
    """Say which driver the GPUs wait for, and what fits once it drives them."""
    windows, driver = s.question.windows, s.machine.driver_version
    question = s.question.about("nvidia", gpus)
    question = question._replace(driver=newest_driver(gpus), family=family_of(s.machine))
    found = fitting(question, "cuda")
    last = min((one for g in gpus if (one := last_driver(g.compute_capability))), default="")
    first = max((first_driver(g.compute_capability, windows=windows) for g in gpus), key=parts)
    floor = found[0].row.drivers[windows] if found else ()
    need = f" (branch {last})" if last else ""
    if floor:
        need = f" ({floor[0]} to {last})" if last else f" ({floor[0]} or newer)"
    action: Action = "install_driver"
    after = f"after driver branch {last}" if last else "after the driver"
    place = "wsl" if s.machine.platform == "wsl" else "none"
    key = f"nvidia_driver_missing:{'broken' if driver else place}"
    if why == "driver too new":
        action, after = "downgrade_driver", f"with driver branch {last}"
        key = "driver_590_dropped_this_gpu" if last == "580" else ":downgrade_driver"
    elif why == "driver too old":
        action, key = "upgrade_driver", "upgrade_driver:gpu"
        after = f"with driver {floor_words(max(parts(first), floor))} or newer"
    elif why == "open module":
        key, after = "open_module_excludes_pre_turing:loaded", "with the proprietary module"
    said = [say(key, gpus=names_of(gpus), driver=driver, branch=last, floor=first, need=need)]
    if why == "driver too old" and virtual(s.machine, gpus):
        said.append(say("vgpu_ask_admin"))
    return Choice.of(action, said, offered(found, after))


def beside(s: Situation, choice: Choice) -> Iterator[Said]:
    """Yield what leads astray beside the choice: installer options, nvcc, cuda-compat, torchvision's Pythons."""
    env, installer, driver = s.machine.env, s.machine.installer, s.machine.driver_version
    uv, text = installer.get("tool", "").lower() == "uv", " ".join(installer.values())
    options = _OPTIONS.findall(text)
    variables = {key.upper(): value for key, value in env.items()}
    pip_extra = variables.get("PIP_EXTRA_INDEX_URL")
    if (uv and options) or variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL"):
        yield say("uv_first_index")
    if pip_extra or (not uv and ("--extra-index-url" in options or "EXTRA_INDEX" in text)):
        yield say("extra_index_url_picks_pypi")
    if options or pip_extra or "download.pytorch.org/whl" in variables.get("PIP_INDEX_URL", ""):
        yield say("one_index_only")
    if any(named_as("toolkit_keys", key) for key in env):
        yield say("nvcc_irrelevant_for_wheel")
    if driver and (shown := _compat(s)):
        fails = s.gpus.nvidia and not all(map(is_data_centre, s.gpus.nvidia))
        key = "forward_compat_active:804" if fails else "forward_compat_active"
        yield say(key, shown=shown, driver=driver, gpus=names_of(s.gpus.nvidia))
    if virtual(s.machine, ()):
        yield say("vgpu_ask_admin")
    python = next((v for k, v in env.items() if k.lower().startswith("python_full")), "")
    whole = parts(python or s.machine.python) == (3, 14, 1)
    if (
        whole
        and s.question.python == "3.14"
        and (0, 26) <= parts(choice.torchvision)[:2] <= (0, 29)
    ):
        yield say("torchvision_excludes_3_14_1")


def _compat(s: Situation) -> str:
    """Say how cuda-compat shows: on the library path, or by a CUDA number that the driver doesn't have; "" if not."""
    env = s.machine.env
    if any(re.search(r"cuda[^:]*/compat", value) for value in env.values()):
        return "a cuda-compat library is on the library path, so nvidia-smi shows its CUDA number"
    shown = next((v for k, v in env.items() if "smi_cuda" in k.lower()), "")
    if s.machine.platform == "linux" and parts(shown):
        for row in table("torch_wheels")["cuda"]["driver_branches"]:
            known = row.get("confidence") != "unverified"
            if known and (row["branch"],) == s.question.driver[:1]:
                most = str(row["max_cuda"])
                if parts(shown) <= parts(most):
                    break
                said = f"nvidia-smi shows CUDA {shown}, and this driver has {most} at most"
                return f"{said}, so a cuda-compat library is at work"
    return ""
