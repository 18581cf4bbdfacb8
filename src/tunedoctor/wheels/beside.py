"""What stands beside the choice and leads astray: installer options, nvcc, cuda-compat, torchvision's Pythons."""

import re

from tunedoctor.tables.load import table
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Choice, Said
from tunedoctor.wheels.say_cuda import ASK_ADMIN, virtual
from tunedoctor.wheels.situation import Situation, full_python, names_of
from tunedoctor.wheels.targets import is_data_centre

_WHEELS = "download.pytorch.org/whl"

_EXTRA: Said = (
    "extra_index_url_picks_pypi",
    (
        "pip knows no order of indexes: with --extra-index-url it takes the highest version of all of them, often "
        "the default index's CUDA 13 build; name one index with --index-url"
    ),
)
_ONE: Said = (
    "one_index_only",
    "torch, torchvision and torchaudio come from one index in one command; the rest from the default index after",
)
_FIRST: Said = (
    "uv_first_index",
    (
        "uv takes a package from the first index that has it, and all that this index mirrors with it: mark it "
        "explicit and name it for torch alone"
    ),
)


def beside(s: Situation, choice: Choice) -> list[Said]:
    """Return what the user's installer, environment and Python ask to be said."""
    if not s.machine.env and not s.machine.installer:
        return _python(s, choice)
    return [*_installer(s), *_environment(s), *_python(s, choice)]


def _installer(s: Situation) -> list[Said]:
    tool = s.machine.installer.get("tool", "").lower()
    text = " ".join(s.machine.installer.values())
    said: list[Said] = []
    options = re.findall(
        r"--(?:extra-)?index-url|--index\b|--default-index|--find-links|tool\.uv\.index|(?<!\S)-[if](?=\s)",
        text,
    )
    extra = "--extra-index-url" in options or "EXTRA_INDEX" in text
    if tool == "uv" and options:
        said.append(_FIRST)
    if extra and tool != "uv":
        said.append(_EXTRA)
    if options:
        said.append(_ONE)
    variables = {key.upper(): value for key, value in s.machine.env.items()}
    if variables.get("PIP_EXTRA_INDEX_URL"):
        said += [_EXTRA, _ONE]
    if _WHEELS in variables.get("PIP_INDEX_URL", ""):
        said.append(_ONE)
    if variables.get("UV_INDEX") or variables.get("UV_EXTRA_INDEX_URL"):
        said.append(_FIRST)
    return said


def _environment(s: Situation) -> list[Said]:
    said: list[Said] = []
    env = s.machine.env
    driver = s.machine.driver_version
    if any(re.search(r"nvcc|cuda_home|cuda_path|toolkit", key, re.IGNORECASE) for key in env):
        why = "nvcc, CUDA_HOME and an installed toolkit do not matter for wheels, which bring their own CUDA libraries"
        said.append(("nvcc_irrelevant_for_wheel", why))
    if driver and (compat := _compat(s)):
        why = f"{compat}: driver {driver} decides, not that number"
        if s.gpus.nvidia and not all(is_data_centre(g) for g in s.gpus.nvidia):
            why += f"; on {names_of(s.gpus.nvidia)} that library gives error 804"
        said.append(("forward_compat_active", why))
    if virtual(s.machine, ()):
        said.append(ASK_ADMIN)
    return said


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


def _python(s: Situation, choice: Choice) -> list[Said]:
    if s.question.python != "3.14" or parts(full_python(s.machine)) != (3, 14, 1):
        return []
    if not (0, 26) <= parts(choice.torchvision)[:2] <= (0, 29):
        return []
    why = "torchvision 0.26 to 0.29 exclude Python 3.14.1 in their metadata: take 3.14.2 or newer, or 3.13"
    return [("torchvision_excludes_3_14_1", why)]
