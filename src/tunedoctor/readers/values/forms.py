"""Lines with a form of their own: banners and logs of trainers and user interfaces, parts of reports.

Each has a mark, which the line contains, and a pattern whose groups are named by keys of the table `report_names`, or
`lib_` and a distribution, `kind_` and a kind of torch build. Sources: the programs' own start-up code, named in the
headings.
"""

import re
from typing import NamedTuple

from tunedoctor.lazy import pattern


class Form(NamedTuple):
    """One form of line."""

    mark: str
    """What every line of this form contains."""
    pattern: re.Pattern[str]


def _form(mark: str, *pieces: str) -> Form:
    return Form(mark, pattern("".join(pieces)))


_END = r"(?=\.?(?:\s|\Z))"
_NUMBER = r"\d+\.\d+[\w.+]{0,50}?"

FORMS = (
    # ComfyUI
    _form(
        "Total VRAM",
        r"Total VRAM (?P<gpu_memory>[\d.]{1,12} MB), total RAM (?P<ram>[\d.]{1,12} MB)",
    ),
    _form(
        "Device:",
        r"Device: (?:cuda|xpu|mps|privateuseone)(?::\d{1,2})? ",
        r"(?P<device_used>[^:\n]{2,100}?)(?: : \w{1,30})?\s*\Z",
    ),
    _form("Device: cpu", r"(?P<on_cpu>Device: cpu)\s*\Z"),
    _form("AMD arch:", r"AMD arch: (?P<gfx>gfx\w{3,5})"),
    _form("ROCm version:", r"ROCm version: \((?P<rocm_pair>\d{1,2}, ?\d{1,2})\)"),
    # kohya, SD.Next
    _form("Torch ", r"INFO\s{1,8}Torch (?P<torch>\d+\.\d+\S{0,60})\s*\Z"),
    _form(
        "Torch backend:",
        r"Torch backend: (?:nVidia CUDA|type=\"?CUDA\"?[^\n]{0,80}?cuda=\"?)\s?(?P<torch_cuda>\d+\.\d+)",
    ),
    _form("Torch backend:", r"Torch backend: AMD ROCm HIP (?P<torch_hip>\d+\.\d+[\w.]{0,20})"),
    _form(
        "Torch detected",
        r"Torch detected (?:GPU: |gpu=\")(?P<device_used>[^\n\"]{2,100}?)",
        r"(?: VRAM |\" vram=)(?P<vram_mb>\d{3,7})",
    ),
    _form(
        "device=",
        r"Device: device=(?P<device_used>[^\n=]{2,100}?) n=\d{1,2} arch=\S{1,12}",
        r" cap(?:ability)?=\((?P<capability_pair>\d{1,2}, \d)\)(?: cuda=(?P<torch_cuda>\d+\.\d+))?",
        r"(?: cudnn=\d+)?(?: driver=(?P<driver>\d{3}\.[\d.]+))?",
    ),
    _form(
        "system=",
        r"Platform: arch=(?P<machine>\S{1,20}) cpu=[^\n]{0,120}? system=(?P<os>\w{1,20})",
        r" release=(?P<platform>\S{1,120}) python=(?P<python>[\d.]{1,12})",
    ),
    # unsloth: "CUDA: 8.9" is the compute capability, "CUDA Toolkit" what torch was built with
    _form("Unsloth", r"Unsloth:? v?(?P<lib_unsloth>\d{4}\.\d{1,2}(?:\.\w+)*): Fast"),
    _form("Transformers", rf"Transformers\s?[:=] (?P<lib_transformers>{_NUMBER}){_END}"),
    _form("vLLM:", rf"\bvLLM: (?P<lib_vllm>{_NUMBER}){_END}"),
    _form(
        "Max memory",
        r"\s(?:GPU: )?(?P<device_used>[^\s.:\\/|][^\n|\\]{1,80}?)\. (?:Num GPUs = (?P<gpu_count>\d{1,3})\. )?",
        r"Max memory[:=] ?(?P<gpu_memory>[\d.]{1,10} GB)\. Platform ?[:=] ?(?P<os>\w{1,20})",
    ),
    _form(
        "orch",
        r"(?:Torch|Pytorch)\s?[:=] (?P<torch>\d+\.\d+\S{0,60}?)\. (?:CUDA\s?[:=] (?P<capability>\d{1,2}\.\d)\. )?",
        r"(?:(?P<gfx>gfx\w{3,5})\. )?(?:CUDA Toolkit\s?[:=] (?P<torch_cuda>\d+\.\d+)\.?)?",
        r"(?:ROCm Toolkit\s?[:=] (?P<torch_hip>\d+\.\d+[\w.]{0,20}?)\.?(?=\s|\Z))?",
    ),
    _form("Triton:", rf"\. Triton\s?[:=] (?P<lib_triton>{_NUMBER}){_END}"),
    _form("FA [Xformers", rf"FA \[Xformers = (?P<lib_xformers>{_NUMBER})\. "),
    # bitsandbytes
    _form("bitsandbytes v", r"=+ bitsandbytes v(?P<lib_bitsandbytes>\d+\.\d+[\w.]{0,20}) =+"),
    _form(
        "CUDASpecs(",
        r"highest_compute_capability=\((?P<capability_pair>\d{1,2}, \d)\), ",
        r"cuda_version_string='(?P<torch_cuda_digits>\d{2,3})'",
    ),
    _form(
        "CUDA_VERSION=",
        r"PyTorch settings found: CUDA_VERSION=(?P<torch_cuda_digits>\d{2,3}), ",
        r"Highest Compute Capability: \(?(?P<capability_pair>\d{1,2}[., ]{1,2}\d)",
    ),
    _form(
        "Highest compute capability",
        r"Highest compute capability among GPUs detected: (?P<capability>\d{1,2}\.\d)",
    ),
    # what somebody saw and put in a sentence
    _form(
        "torch.__version__",
        r"torch\.__version__[`'\"*]{0,3} (?:is|returns|shows|prints|reports|gives|->|\u2192) ",
        r"[`'\"*]{1,3}(?P<torch>\d+\.\d+\S{0,60}?)[`'\"*]{1,3}(?=[\s,.;)]|\Z)",
    ),
    _form(
        "orch",
        r"\b(?:reports?|shows?|says?|prints?|loads?|sees|runs?|running|found|detects?|has) (?:that )?\*{0,2}",
        r"(?:PyTorch|[Tt]orch) ",
        r"[`'\"*]{1,3}(?P<torch>\d+\.\d+\.\d+\+(?:cpu|xpu|cu\d{2,3}|rocm[\d.]{1,8}))[`'\"*]{1,3}",
    ),
    # nvcc, xformers.info, the configuration that torch shows
    _form("Cuda compilation tools", r"Cuda compilation tools, release (?P<nvcc>\d{1,2}\.\d)"),
    _form("xFormers ", r"\A\s{0,8}xFormers (?P<lib_xformers>\d+\.\d+\.\S{1,30})\s*\Z"),
    _form("CUDA Runtime ", r"\A\s{0,8}- CUDA Runtime (?P<torch_cuda>\d+\.\d+)"),
    _form("NVCC architecture flags", r"NVCC architecture flags: (?P<archs>-gencode\S{10,1500})"),
    # devices as torch prints them
    _form(
        "_XpuDeviceProperties",
        r"_XpuDeviceProperties\(name='(?P<gpu>[^'\n]{2,80})'[^\n]{0,300}?total_memory=(?P<gpu_memory>\d{3,9}MB)",
    ),
    _form(
        " which is of c",
        r"Found GPU\d{1,2} (?P<device_used>[^\n]{2,80}?) which is of (?:cuda|compute) capability ",
        r"(?P<capability>\d{1,2}\.\d)",
    ),
    _form("gcnArchName", r"gcnArchName=?'?[:=]?\s?'?(?P<gfx>gfx[0-9a-f]{3,5})"),
    _form(
        "_CudaDeviceProperties",
        r"_CudaDeviceProperties\(name='(?P<device_used>[^'\n]{2,80})', ",
        r"major=\d{1,2}, minor=\d(?:, total_memory=(?P<gpu_memory>\d{3,9}MB))?",
    ),
    # systems
    _form("PRETTY_NAME=", r"PRETTY_NAME=\"(?P<os>[^\"\n]{2,80})\""),
    _form("Microsoft Windows [", r"Microsoft Windows \[\S{1,12} (?P<windows_build>10\.0\.\d{5})"),
    _form("Mem:", r"\A\s{0,8}Mem:\s{1,20}(?P<free_mem>\d[\d.,]{0,12}[KMGT]?i?B?)\s+\d"),
    _form("cpu_count", r"\bcpu_count[:=]\s?(?P<cpus>\d{1,4})\b"),
    # transformers, interpreters
    _form(
        "isabling PyTorch because",
        r"is required but found (?P<torch>\d+\.\d+\S{0,50})",
    ),
    _form(
        "packaged by",
        r"\APython (?P<python>3\.\d{1,2}\.\d{1,2}\S{0,6} \| packaged by [^\n]{4,200})",
    ),
    _form(
        "Python 3",
        r"\A\s{0,8}Python (?P<python>3\.\d{1,2}\.\d{1,2}\S{0,6}(?: \([^\n]{4,200}| experimental[^\n]{0,100})?)\s*\Z",
    ),
    # ds_report imports torch before it prints this
    _form(
        "extension op report",
        r"\A(?P<ran>DeepSpeed (?:C\+\+|general)[^\n]{0,20} extension op report)",
    ),
    _form(
        "Snapdragon",
        r"\b(?P<os>Windows(?: 1[01])?)\b[^\n]{0,60}\b(?P<machine>Snapdragon)\b",
    ),
    # what only one kind of torch build has or says
    _form("ibtorch_hip", r"(?P<kind_rocm>libtorch_hip)"),
    _form("torch/lib/rocblas", r"(?P<kind_rocm>torch/lib/rocblas)"),
    _form("HIP error:", r"(?P<kind_rocm>HIP error:)"),
    _form("ibtorch_cuda", r"(?P<kind_cuda>libtorch_cuda)"),
    _form("c10_cuda", r"(?P<kind_cuda>c10_cuda\.dll)"),
    _form("CUDA error:", r"(?P<kind_cuda>CUDA error:)"),
    _form("CUDA initialization:", r"(?P<kind_cuda>CUDA initialization:)"),
)
PROOF = frozenset({"capability_pair", "torch_cuda_digits", "device_used", "capability"})
"""Groups whose value torch, or a program that runs it, reads from a GPU that it sees."""
