"""What stands beside the choice and leads astray: installer options, nvcc, cuda-compat, torchvision's Pythons."""

import re
from collections.abc import Iterator

from tunedoctor.tables.load import table
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Choice, Said, say
from tunedoctor.wheels.say_release import virtual
from tunedoctor.wheels.situation import Situation, full_python, names_of
from tunedoctor.wheels.targets import is_data_centre

_OPTIONS = (
    r"--(?:extra-)?index-url|--index\b|--default-index|--find-links|tool\.uv\.index"
    r"|(?<!\S)-[if](?=\s)"
)


def beside(s: Situation, choice: Choice) -> Iterator[Said]:
    """Yield what the user's installer, environment and Python ask to be said."""
    if s.machine.env or s.machine.installer:
        yield from map(say, _installer(s))
        yield from _environment(s)
    excluding = (0, 26) <= parts(choice.torchvision)[:2] <= (0, 29)
    if excluding and s.question.python == "3.14" and parts(full_python(s.machine)) == (3, 14, 1):
        yield say("torchvision_excludes_3_14_1")


def _installer(s: Situation) -> list[str]:
    """Return what to say of the indexes that somebody means to name, or has set by variables."""
    uv = s.machine.installer.get("tool", "").lower() == "uv"
    text = " ".join(s.machine.installer.values())
    options = re.findall(_OPTIONS, text)
    extra = "--extra-index-url" in options or "EXTRA_INDEX" in text
    variables = {key.upper(): value for key, value in s.machine.env.items()}
    pip_extra = variables.get("PIP_EXTRA_INDEX_URL")
    own = "download.pytorch.org/whl" in variables.get("PIP_INDEX_URL", "")
    uv_index = variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL")
    said = {
        "uv_first_index": (uv and options) or uv_index,
        "extra_index_url_picks_pypi": (extra and not uv) or pip_extra,
        "one_index_only": options or pip_extra or own,
    }
    return [key for key, so in said.items() if so]


def _environment(s: Situation) -> Iterator[Said]:
    env, driver = s.machine.env, s.machine.driver_version
    if any(re.search(r"nvcc|cuda_home|cuda_path|toolkit", key, re.IGNORECASE) for key in env):
        yield say("nvcc_irrelevant_for_wheel")
    if driver and (shown := _compat(s)):
        fails = s.gpus.nvidia and not all(is_data_centre(g) for g in s.gpus.nvidia)
        key = "forward_compat_active:804" if fails else "forward_compat_active"
        yield say(key, shown=shown, driver=driver, gpus=names_of(s.gpus.nvidia))
    if virtual(s.machine, ()):
        yield say("vgpu_ask_admin")


def _compat(s: Situation) -> str:
    """Say how cuda-compat shows: on the library path, or by a CUDA number that the driver doesn't have; "" if not."""
    env = s.machine.env
    if any(re.search(r"cuda[^:]*/compat", value) for value in env.values()):
        return "a cuda-compat library is on the library path, so nvidia-smi shows its CUDA number"
    shown = next((v for k, v in env.items() if re.search(r"smi_cuda", k, re.IGNORECASE)), "")
    most = _newest_cuda(s.question.driver[:1])
    if s.machine.platform == "linux" and parts(shown) and most and parts(shown) > parts(most):
        return f"nvidia-smi shows CUDA {shown}, and this driver has {most} at most, so a cuda-compat library is at work"
    return ""


def _newest_cuda(branch: tuple[int, ...]) -> str:
    """Return the newest CUDA of a driver branch; "" where the table does not say."""
    for row in table("torch_wheels")["cuda"]["driver_branches"]:
        if (row["branch"],) == branch and row.get("confidence") != "unverified":
            return str(row["max_cuda"])
    return ""
