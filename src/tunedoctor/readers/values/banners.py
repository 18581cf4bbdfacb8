"""Lines with a form of their own: start-up banners and logs of trainers and user interfaces, version listings."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.libraries import library_of, version_in
from tunedoctor.readers.values.names import key_of
from tunedoctor.readers.values.said import Said


class _Form(NamedTuple):
    mark: str
    """What every line of this form contains."""
    pattern: re.Pattern[str]


def _form(mark: str, pattern: str, flags: int = 0) -> _Form:
    return _Form(mark, re.compile(pattern, flags))


_FORMS = (
    # user interfaces for images and text
    _form("Total VRAM", r"Total VRAM (?P<gpu_memory>[\d.]{1,12} MB), total RAM (?P<ram>[\d.]{1,12} MB)"),
    _form("Device:", r"Device: (?:cuda|xpu|mps|privateuseone)(?::\d{1,2})? (?P<device_used>[^:\n]{2,100}?)(?: : \w{1,30})?\s*\Z"),
    _form("Device: cpu", r"(?P<on_cpu>Device: cpu)\s*\Z"),
    _form("AMD arch:", r"AMD arch: (?P<gfx>gfx\w{3,5})"),
    _form("ROCm version:", r"ROCm version: \((?P<rocm_pair>\d{1,2}, ?\d{1,2})\)"),
    _form("Torch ", r"INFO\s{1,8}Torch (?P<torch>\d+\.\d+\S{0,60})\s*\Z"),
    _form("Torch backend:", r"Torch backend: (?:nVidia CUDA|type=\"?CUDA\"?[^\n]{0,80}?cuda=\"?)\s?(?P<torch_cuda>\d+\.\d+)"),
    _form("Torch backend:", r"Torch backend: AMD ROCm HIP (?P<torch_hip>\d+\.\d+[\w.]{0,20})"),
    _form("Torch detected", r"Torch detected (?:GPU: |gpu=\")(?P<device_used>[^\n\"]{2,100}?)(?: VRAM |\" vram=)(?P<vram_mb>\d{3,7})"),
    _form("device=", r"Device: device=(?P<device_used>[^\n=]{2,100}?) n=\d{1,2} arch=\S{1,12} cap(?:ability)?=\((?P<capability_pair>\d{1,2}, \d)\)(?: cuda=(?P<torch_cuda>\d+\.\d+))?(?: cudnn=\d+)?(?: driver=(?P<driver>\d{3}\.[\d.]+))?"),
    _form("system=", r"Platform: arch=(?P<machine>\S{1,20}) cpu=[^\n]{0,120}? system=(?P<os>\w{1,20}) release=(?P<platform>\S{1,120}) python=(?P<python>[\d.]{1,12})"),
    # unsloth
    _form("Unsloth", r"Unsloth:? v?(?P<lib_unsloth>\d{4}\.\d{1,2}(?:\.\w+)*): Fast"),
    _form("Transformers", r"Transformers\s?[:=] (?P<lib_transformers>\d+\.\d+[\w.+]{0,30}?)(?=\.?(?:\s|\Z))"),
    _form("vLLM:", r"\bvLLM: (?P<lib_vllm>\d+\.\d+[\w.+]{0,50}?)(?=\.?(?:\s|\Z))"),
    _form("Max memory", r"\s(?:GPU: )?(?P<device_used>[^\s.:\\/|][^\n|\\]{1,80}?)\. (?:Num GPUs = (?P<gpu_count>\d{1,3})\. )?Max memory[:=] ?(?P<gpu_memory>[\d.]{1,10} GB)\. Platform ?[:=] ?(?P<os>\w{1,20})"),
    _form("orch", r"(?:Torch|Pytorch)\s?[:=] (?P<torch>\d+\.\d+\S{0,60}?)\. (?:CUDA\s?[:=] (?P<capability>\d{1,2}\.\d)\. )?(?:(?P<gfx>gfx\w{3,5})\. )?(?:CUDA Toolkit\s?[:=] (?P<torch_cuda>\d+\.\d+)\.?)?(?:ROCm Toolkit\s?[:=] (?P<torch_hip>\d+\.\d+[\w.]{0,20}?)\.?(?=\s|\Z))?"),
    _form("Triton:", r"\. Triton\s?[:=] (?P<lib_triton>\d+\.\d+[\w.+]{0,30}?)(?=\.?(?:\s|\Z))"),
    _form("FA [Xformers", r"FA \[Xformers = (?P<lib_xformers>\d+\.\d+[\w.+]{0,30}?)\. "),
    # bitsandbytes
    _form("bitsandbytes v", r"=+ bitsandbytes v(?P<lib_bitsandbytes>\d+\.\d+[\w.]{0,20}) =+"),
    _form("CUDASpecs(", r"highest_compute_capability=\((?P<capability_pair>\d{1,2}, \d)\), cuda_version_string='(?P<torch_cuda_digits>\d{2,3})'"),
    _form("CUDA_VERSION=", r"PyTorch settings found: CUDA_VERSION=(?P<torch_cuda_digits>\d{2,3}), Highest Compute Capability: \(?(?P<capability_pair>\d{1,2}[., ]{1,2}\d)"),
    _form("Highest compute capability", r"Highest compute capability among GPUs detected: (?P<capability>\d{1,2}\.\d)"),
    # compilers and toolkits
    _form("Cuda compilation tools", r"Cuda compilation tools, release (?P<nvcc>\d{1,2}\.\d)"),
    _form("ompiled w.", r"deepspeed wheel compiled w\. \.+ (?P<deepspeed_built>torch [\d.]+ ?, (?:cuda|hip) [\d.]+)"),
    _form("xFormers ", r"\A\s{0,8}xFormers (?P<lib_xformers>\d+\.\d+\.\S{1,30})\s*\Z"),
    _form("CUDA Runtime ", r"\A\s{0,8}- CUDA Runtime (?P<torch_cuda>\d+\.\d+)"),
    _form("NVCC architecture flags", r"NVCC architecture flags: (?P<archs>-gencode\S{10,1500})"),
    _form("_XpuDeviceProperties", r"_XpuDeviceProperties\(name='(?P<gpu>[^'\n]{2,80})'[^\n]{0,300}?total_memory=(?P<gpu_memory>\d{3,9}MB)"),
    _form("gcnArchName", r"gcnArchName=?'?[:=]?\s?'?(?P<gfx>gfx[0-9a-f]{3,5})"),
    _form("_CudaDeviceProperties", r"_CudaDeviceProperties\(name='(?P<device_used>[^'\n]{2,80})', major=(?P<major>\d{1,2}), minor=(?P<minor>\d)(?:, total_memory=(?P<gpu_memory>\d{3,9}MB))?"),
    _form("PRETTY_NAME=", r"PRETTY_NAME=\"(?P<os>[^\"\n]{2,80})\""),
    _form("Microsoft Windows [", r"Microsoft Windows \[\S{1,12} (?P<windows_build>10\.0\.\d{5})"),
    _form("Mem:", r"\A\s{0,8}Mem:\s{1,20}(?P<free_mem>\d[\d.,]{0,12}[KMGT]?i?B?)\s+\d"),
    _form("nVidia toolkit detected", r"(?P<nvidia_toolkit>nVidia toolkit detected)"),
    # parts that only one kind of build has
    _form("ibtorch_hip", r"(?P<kind_rocm>libtorch_hip)"),
    _form("torch/lib/rocblas", r"(?P<kind_rocm>torch/lib/rocblas)"),
    _form("HIP error:", r"(?P<kind_rocm>HIP error:)"),
    _form("ibtorch_cuda", r"(?P<kind_cuda>libtorch_cuda)"),
    _form("c10_cuda", r"(?P<kind_cuda>c10_cuda\.dll)"),
    _form("CUDA error:", r"(?P<kind_cuda>CUDA error:)"),
    _form("CUDA initialization:", r"(?P<kind_cuda>CUDA initialization:)"),
    _form("cpu_count", r"\bcpu_count[:=]\s?(?P<cpus>\d{1,4})\b"),
    _form("dis", r"Disabling PyTorch because (?:PyTorch|torch)\s?>=\s?[\d.]+ is required but found (?P<torch>\d+\.\d+\S{0,50})", re.IGNORECASE),
    _form("packaged by", r"\APython (?P<python>3\.\d{1,2}\.\d{1,2}\S{0,6} \| packaged by [^\n]{4,200})"),
    _form("Python 3", r"\A\s{0,8}Python (?P<python>3\.\d{1,2}\.\d{1,2}\S{0,6}(?: \([^\n]{4,200}| experimental[^\n]{0,100})?)\s*\Z"),
)
_PROOF = frozenset({"capability_pair", "torch_cuda_digits", "device_used", "capability"})
"""What torch or a program that runs it reads from a GPU that it sees."""
_SIGN = re.compile(r"\b(?:windows|ubuntu|macos|debian|fedora|centos)\b", re.IGNORECASE)
_SYSTEM = re.compile(
    r"\A(?:OS:\s?)?(?:Microsoft\s)?(?:Windows(?:\s(?:Server\s)?(?:10|11|20\d\d))(?:\s(?:Pro|Home|Education|Enterprise|\d\dH\d|x64|64-?bit|\(?\d{5}\S{0,8}\)?))*"
    r"|(?:Ubuntu|Debian|Fedora|CentOS|Arch|Manjaro|Rocky|Pop!?_?OS|Linux Mint|openSUSE)(?:\s(?:GNU/)?Linux)?(?:\s(?:Stream|Leap))?\s?\d{0,2}(?:\.\d{1,2}){0,2}(?:\s?(?:LTS|x86_64|server|desktop|\(?WSL\s?2?\)?|on WSL\s?2?|in WSL\s?2?))*"
    r"|mac\s?OS(?:\s[A-Z][a-z]{3,9})?\s\d{2}(?:\.\d{1,2}){0,2}|WSL\s?2(?:\s(?:Ubuntu|Debian)\s?[\d.]{0,5})?|M\d(?:\s(?:Pro|Max|Ultra))?\smac\s?OS)\s*\Z",
    re.IGNORECASE,
)
_RAM = re.compile(r"\A(?:CPU\s\S{2,20}\s\+\s)?(?:RAM:?\s)?\d{1,4}\s?Gi?B?\s(?:of\s)?(?:system\s|DDR\d\s)?(?:RAM|memory)\s*\Z", re.IGNORECASE)
_GPU = re.compile(r"\A(?:GPU:?\s)?(?:\d{1,2}\s?[x×*]\s?)?(?:NVIDIA|GeForce|RTX|GTX|Tesla|Quadro|Radeon|AMD Radeon|RX|Instinct|Intel Arc|Arc|A100|H100|H200|V100|T4|L4|L40S?|A10G?|B200|P100)\b", re.IGNORECASE)
_CHIP = re.compile(r"\A(?:Apple\s)?M\d(?:\s(?:Pro|Max|Ultra))?(?P<mac>\s?(?:mac\s?OS|mac\w{0,6}))?\Z", re.IGNORECASE)
_DIVIDERS = re.compile(r"\s*(?:[,;|•·]|&nbsp;|\s-\s)\s*")
_PART = re.compile(r"\A[`'\"(*-]{0,3}(?P<name>[A-Za-z][A-Za-z0-9 ._+-]{1,40}?)[`'\"*]{0,3}\s*(?:==|[:=@]|\s)\s*[`'\"v]{0,2}(?P<value>\d\S{0,80}(?:\s\([^()]{0,60}\))?)[`'\")*]{0,3}\Z")


def banners(lines: Iterable[str]) -> Iterator[Said]:
    """Yield what lines of known form say, in order."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if not 6 <= len(line) <= 2000 or line in seen:
            continue
        seen.add(line)
        for form in _FORMS:
            if form.mark in line and (found := form.pattern.search(line)):
                for key, value in found.groupdict().items():
                    if value is not None:
                        yield _said(key, value, number)
                        if key in _PROOF:
                            yield Said("seen", "", line=number)
        yield from (one._replace(line=number) for one in _listing(line))


def _said(key: str, value: str, number: int) -> Said:
    if key.startswith("kind_"):
        return Said("torch_kind", key[5:], line=number)
    if key.startswith("lib_"):
        return Said(f"library {key[4:]}", value.rstrip("."), line=number)
    if key.endswith("_pair"):
        key, value = key[:-5], ".".join(re.findall(r"\d+", value))
    if key.endswith("_digits"):
        key, value = key[:-7], f"{value[:-1]}.{value[-1]}"
    if key == "vram_mb":
        key, value = "gpu_memory", f"{value} MB"
    return Said(key, value, line=number)


def _listing(line: str) -> Iterator[Said]:
    """Versions in a row: "peft main, transformers 4.57.6, torch 2.13.0, python 3.12"; every one known, or none counts."""
    if not 6 <= len(line) <= 300 or not (_SIGN.search(line) or any(mark in line for mark in ",;|•·")):
        return
    parts = [part for part in _DIVIDERS.split(re.sub(r"\A\s*(?:[#*>-]{1,2}\s+)?", "", line).strip().strip("`.")) if part][:24]
    said: list[Said] = []
    strange = 0
    for part in parts:
        found = _PART.match(part)
        name = found["name"].strip() if found else ""
        key, library = key_of(name)[0], library_of(name)
        if fragment := _fragment(part):
            said.append(fragment)
        elif found and key in ("torch", "python") and version_in(found["value"]):
            said.append(Said(key, found["value"]))
        elif found and library and version_in(found["value"]):
            said.append(Said(f"library {library}", found["value"]))
        elif not re.match(r"\A(?:[\w.-]{1,30}[ :=@]{1,2}(?:main|dev|nightly|latest|git|HEAD|\d\S{0,40})(?:\s?\([^()]{0,50}\))?|\S{1,30})\Z", part):
            strange += 1
    if strange == 0 and (len(said) > 1 or (said and len(parts) == 1 and said[0].key == "os")):
        yield from said


def _fragment(part: str) -> Said | None:
    """A system, a GPU or a size of RAM that stands alone between commas."""
    if len(part) > 60:
        return None
    if _SYSTEM.match(part):
        return Said("os", part)
    if _RAM.match(part):
        return Said("ram", part)
    if _GPU.match(part) and cards_in(part):
        return Said("gpu", part)
    if chip := _CHIP.match(part):
        return Said("os", f"macOS {part}") if chip["mac"] else Said("cpu", part)
    return None
