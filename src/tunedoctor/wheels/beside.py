"""What stands beside the choice and leads astray: installer options, nvcc, cuda-compat, torchvision's Pythons."""

import re

from tunedoctor.versions import parts
from tunedoctor.wheels.situation import Said, Situation, full_python

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


def beside(s: Situation) -> list[Said]:
    """Return what the user's installer, environment and Python ask to be said."""
    return [*_installer(s), *_environment(s), *_python(s)]


def _installer(s: Situation) -> list[Said]:
    tool = s.machine.installer.get("tool", "").lower()
    text = " ".join(s.machine.installer.values())
    said: list[Said] = []
    options = re.findall(r"--(?:extra-)?index-url|--index\b|--default-index|--find-links", text)
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
    compat = any(re.search(r"cuda[^:]*/compat", value) for value in env.values())
    if compat and driver:
        why = (
            f"a cuda-compat library is on the library path, so nvidia-smi shows its CUDA number: driver {driver} "
            "decides, not that number"
        )
        said.append(("forward_compat_active", why))
    if any("vgpu" in key.lower() and value for key, value in env.items()):
        said.append(
            ("vgpu_ask_admin", "the driver of a virtual GPU follows its host: ask who runs it")
        )
    return said


def _python(s: Situation) -> list[Said]:
    if parts(full_python(s.machine)) != (3, 14, 1):
        return []
    why = "torchvision 0.26 to 0.29 exclude Python 3.14.1 in their metadata: take 3.14.2 or newer, or 3.13"
    return [("torchvision_excludes_3_14_1", why)]
