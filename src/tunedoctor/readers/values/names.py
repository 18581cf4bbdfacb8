"""The names under which tools and people tell things of an environment: name -> key.

Names are as `normal` leaves them: lower case, single spaces, without "version" at the end. Sources: torch collect_env
1.0 to 2.10, vllm and sglang collect_env, the env commands of transformers, diffusers, accelerate, trl, lerobot,
llamafactory and huggingface_hub, mmengine, detectron2, lightning, xformers.info, ds_report, bitsandbytes, issue forms.
"""

import re
from functools import lru_cache

_NAMES: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "pytorch", "torch.__version__", "pytorch.version", "pytorch accelerator version"),
    "torch_cuda": (
        *("cuda used to build pytorch", "cuda used to build torch", "torch cuda", "torch.version.cuda"),
        *("cuda build", "pytorch cuda", "torch built with cuda", "pytorch built with cuda", "built with cuda"),
        *("cuda version (torch)", "cuda version (pytorch)", "cuda compiled", "cuda (torch)", "cuda of torch"),
    ),
    "torch_hip": ("rocm used to build pytorch", "torch hip", "torch.version.hip", "hip build", "pytorch hip", "torch rocm"),
    "torch_xpu": ("xpu used to build pytorch", "torch.version.xpu"),
    "cuda_plain": ("cuda", "cuda/cudnn", "cuda/cudnn version", "nvidia cuda"),
    "hip_plain": ("hip",),
    "debug": ("is debug build", "pytorch debug build"),
    "available": (
        *("is cuda available", "cuda available", "cuda is available", "torch.cuda.is_available()", "gpu available"),
        *("torch.cuda.is_available", "is gpu available", "cuda availability", "torch cuda available"),
        *("pytorch cuda available", "torch cuda is available", "gpu is available", "cuda enabled", "pytorch.cuda"),
        *("torch cuda availability", "cuda可用", "rocm available", "hip available", "cuda is_available"),
    ),
    "xpu_available": (
        *("is xpu available", "xpu available", "torch.xpu.is_available()", "pytorch xpu available", "ipex available"),
        *("xpu is available",),
    ),
    "mps_available": (
        *("is mps available", "mps available", "torch.backends.mps.is_available()", "mps is available"),
        *("torch.mps.is_available()", "pytorch mps available"),
    ),
    "accelerator": ("pytorch accelerator", "accelerator(s)", "cuda device(s)", "accelerator", "torch device", "accelerators"),
    "os": (
        *("os", "operating system", "operating system and version", "system", "os type", "os name", "description"),
        *("distro", "distribution", "pretty name", "host os", "operating system/version", "platform/os", "os platform"),
        *("sys.platform", "操作系统", "系统", "系统版本", "betriebssystem", "sistema operativo", "os/platform"),
        *("système d'exploitation", "운영체제", "linux distribution", "operation system", "productname", "os distribution"),
        *("operating system + version", "os and version", "os & version", "system os"),
    ),
    "mac": ("productversion",),
    "platform": ("platform", "python platform", "os platform string", "release", "platform.platform()", "system platform"),
    "kernel": ("kernel", "kernel release", "linux kernel", "uname r", "uname a", "uname", "os kernel"),
    "libc": ("libc", "glibc"),
    "machine": ("architecture", "arch", "cpu architecture", "processor", "cpu arch", "machine", "架构", "system architecture"),
    "python": (
        *("python", "python3", "sys.version", "python interpreter", "python compiler", "python vv", "python verion"),
        *("python runtime", "cpython"),
    ),
    "gpu": (
        *("gpu", "gpus", "gpu type", "name", "gpu model", "gpu models", "gpu name", "gpu device", "gpu device name", "gpu(s)"),
        *("graphics card", "video card", "graphic card", "graphics", "gpu.name", "device name", "cuda device name"),
        *("torch.cuda.get_device_name(0)", "torch.cuda.get_device_name()", "gpu models and configuration", "vga"),
        *("gpu models and configuration gpu 0", "xpu type", "gpu info", "hardware", "gpu used", "card", "cuda device"),
        *("显卡", "显卡型号", "gpu型号", "grafikkarte", "tarjeta gráfica", "carte graphique", "视频卡", "gpu card"),
        *("device", "nvidia gpu", "gpu hardware", "gpu and memory", "gpu model and memory", "torch detected gpu"),
        *("accelerator type", "gpu configuration", "gpu setup", "intel gpu models detected", "intel gpu models onboard"),
    ),
    "gpu_memory": (
        *("gpu memory", "vram", "gpu vram", "max memory", "total vram", "gpu ram", "显存", "video memory", "gpu mem"),
        *("total gpu memory", "gpu total memory", "gpu memory total", "device memory", "vram total"),
    ),
    "gpu_count": (
        *("gpu number", "num gpus", "number of gpus", "gpu count", "device count", "gpus available", "gpu nums", "# of gpus"),
        *("number of gpu", "cuda device count", "torch.cuda.device_count()", "gpu num", "no. of gpus"),
    ),
    "capability": (
        *("compute capability", "capability", "gpu.compute_capability", "gpu compute capability", "cuda capability"),
        *("device capability", "torch.cuda.get_device_capability()", "torch.cuda.get_device_capability(0)"),
        *("highest compute capability among gpus detected", "cuda compute capability", "gpu capability"),
        *("torch.cuda.get_device_capability",),
    ),
    "archs": (
        *("arch list", "torch.cuda.get_arch_list()", "cuda arch list", "archs", "supported archs", "nvcc architecture flags"),
        *("cuda archs", "torch arch list", "get arch list", "torch.cuda.get_arch_list", "compiled archs"),
    ),
    "driver": (
        *("nvidia driver", "driver", "gpu driver", "nvidia drivers", "cuda driver", "nvidia gpu driver", "graphics driver"),
        *("nvidia driver(s)", "驱动", "显卡驱动", "driver nvidia", "nvidia smi driver", "drivers", "display driver", "gpu drivers"),
        *("nvidia driver and cuda", "驱动版本", "nvidia驱动", "rocm driver"),
    ),
    "nvcc": (
        *("cuda runtime", "nvcc", "cuda toolkit", "cuda compiler", "mmcv cuda compiler", "cuda toolkit (nvcc)", "nvcc cuda"),
        *("nvcc --version", "nvcc v", "cuda sdk"),
    ),
    "gcc": ("gcc", "mmcv compiler", "gcc/g++", "g++", "gcc --version", "c compiler"),
    "hip_runtime": ("hip runtime",),
    "rocm": ("rocm", "rocm toolkit", "rocm/hip", "installed rocm"),
    "gfx": ("gpu architecture", "gcnarchname", "amd arch", "gfx", "gpu arch", "gfx version", "amdgpu target", "gpu gfx"),
    "ram": (
        *("system ram", "ram", "total ram", "system memory", "内存", "physical memory", "memory (ram)", "host memory"),
        *("cpu memory", "main memory", "arbeitsspeicher", "cpu ram", "total memory (ram)", "host ram", "ram size"),
    ),
    "shm": ("shared memory (/dev/shm) size", "/dev/shm", "shared memory", "shm size"),
    "cpu": ("cpu", "cpu model", "model name", "cpu name", "processor name", "chip", "cpu type", "型号名称", "cpu info"),
    "cpus": ("cpu(s)", "cpu count", "cpu cores", "logical cpus", "cpu 数量", "cpu(s) total"),
    "container": (
        *("docker", "container", "docker image", "container image", "in docker", "running in docker", "docker container"),
        *("running in container", "is docker", "image", "inside docker", "inside container", "docker or host"),
    ),
    "wsl": ("wsl", "wsl 版本", "running in wsl", "wsl2"),
    "model": ("jetpack", "l4t", "jetson", "board", "device model", "jetson model", "module"),
    "cuda_home": ("cuda home", "cuda_home"),
    "section_available": (),
}
NOT_KEYS = frozenset({"section_available"})


def _table() -> dict[str, str]:
    return {normal(name): key for key, names in _NAMES.items() for name in names}


_ENDS = re.compile(r"[\s:`'\"*]*(?:版本号?|\bversion(?: number)?|\bver\.?|\bversion\(s\)|\bversions)[\s`'\"*]*\Z")
_ASKING = re.compile(r"\s*\([^()]{0,40}(?:\?|/|only|if |e\.g|please|output)[^()]{0,60}\)\s*|\?+")
_SPACES = re.compile(r"[\s_\-]+")
_OWN = re.compile(r"\A(?:your|my|the|current|installed|local|used|exact)\s+")
_EDGES = "`'\"*•·|│> \t#~=+,[]{}"


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a name in lower case, without marks, questions and the word version at its end."""
    text = _ASKING.sub(" ", name.lower()).replace("`", "").replace("**", "").strip(_EDGES)
    text = text.removesuffix(".__version__").removesuffix(".version")
    text = "".join(c for c in text if c.isascii() or c.isalpha())
    spaced = _SPACES.sub(" ", text).strip()
    return _OWN.sub("", _ENDS.sub("", spaced)).strip() or spaced


KEYS = _table()
_LONG = 11
_CUT = {name[n:]: key for name, key in KEYS.items() for n in (1, 2, 3) if len(name) - n >= _LONG and name.isascii()}
_CUT |= {"ytorch": "torch", "orch": "torch", "ython": "python"}
_OF_GPU = re.compile(r"\A(?:gpu|device|cuda|cuda device|xpu)[ :#]{0,2}\[?(\d{1,3}(?:\s*,\s*\d{1,3}){0,15})\]?(?: (compute capability|name|memory|vram|arch|type|model))?\Z")


def key_of(name: str) -> tuple[str, str]:
    """Return the key that a name stands for, and of a GPU its number(s); "" where the name is not known."""
    plain = normal(name)
    if plain in KEYS:
        return KEYS[plain], ""
    if numbered := _OF_GPU.match(plain):
        part = {"compute capability": "capability", "memory": "gpu_memory", "vram": "gpu_memory", "arch": "capability"}
        return part.get(numbered[2] or "", "gpu"), re.sub(r"\s", "", numbered[1])
    return _CUT.get(plain, ""), ""
