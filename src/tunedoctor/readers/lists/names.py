"""Names and versions of packages as lists print them."""

import re
from functools import lru_cache

from tunedoctor.lazy import pattern
from tunedoctor.versions import normalised as pep503

NAME = r"[A-Za-z](?:[\w.-]{0,98}[A-Za-z0-9])?"
VERSION = r"\d[\w.+!-]{0,60}"
SPECIFIER = (
    r"(?:===|==|~=|!=|<=|>=|<|>)\s{0,3}[\w.*+!-]{1,60}"
    r"(?:\s{0,3},\s{0,3}(?:===|==|~=|!=|<=|>=|<|>)\s{0,3}[\w.*+!-]{1,60}){0,9}"
)

_ALIASES = {"pytorch": "torch", "hf-transformers": "transformers", "flash-attention": "flash-attn"}

KNOWN = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "torchao", "torchtext", "torchdata", "torchtune"),
        *("triton", "triton-windows", "pytorch-triton", "pytorch-triton-rocm", "triton-rocm"),
        *("transformers", "tokenizers", "huggingface-hub", "safetensors", "datasets", "evaluate"),
        *("accelerate", "peft", "trl", "bitsandbytes", "deepspeed", "unsloth", "unsloth-zoo"),
        *("xformers", "flash-attn", "flash-attn-3", "liger-kernel", "optimum", "auto-gptq"),
        *("gptqmodel", "autoawq", "llamafactory", "axolotl", "diffusers", "sentence-transformers"),
        *("vllm", "sglang", "flashinfer-python", "lightning", "pytorch-lightning", "torchmetrics"),
        *("numpy", "scipy", "pandas", "pyarrow", "protobuf", "sentencepiece", "tiktoken", "einops"),
        *("timm", "apex", "transformer-engine", "intel-extension-for-pytorch", "torch-scatter"),
        *("torch-geometric", "torch-sparse", "torch-cluster", "ninja", "hf-transfer", "hf-xet"),
        *("kernels", "compressed-tensors", "onnxruntime", "onnxruntime-gpu", "wandb", "gradio"),
        *("fsspec", "dill", "tensorboard", "mamba-ssm", "causal-conv1d", "colossalai", "megatron"),
        *(
            "torch-xla",
            "torch-directml",
            "fairscale",
            "rocm",
            "ms-swift",
            "lm-eval",
            "cut-cross-entropy",
        ),
        *("pytorch-cuda", "pytorch-mutex", "cudatoolkit", "cpuonly", "openrlhf", "verl", "hqq"),
    }
)
"""Distributions of the stack: a row that names one is a row of a list of packages."""
_NVIDIA_WHEEL = pattern(r"nvidia-[a-z0-9-]{2,40}-cu\d{2}$")

NOT_PACKAGES = frozenset(
    {
        *("python", "cuda", "cudnn", "ubuntu", "debian", "windows", "linux", "macos", "darwin"),
        *("os", "driver", "nvidia-driver", "gcc", "g", "nvcc", "clang", "glibc", "libc", "kernel"),
        *("rocm", "hip", "cpu", "gpu", "ram", "vram", "version", "package", "name", "docker"),
        *("step", "epoch", "line", "error", "rank", "loss", "total", "gib", "mib", "page", "item"),
        *("centos", "rhel", "fedora", "rocky", "arch", "wsl", "wsl2", "conda", "nvidia-smi", "uv"),
        *("id", "time", "iteration", "level", "size", "count", "batch", "lr", "warning", "info"),
        *("requires", "found", "is", "in", "at", "of", "to", "and", "or", "the", "took", "used"),
    }
)
"""First words of lines that look like rows and are none."""


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """Return a name as PEP 503 has it, by the name under which it is installed: PyTorch is torch."""
    plain = pep503(name.strip()).strip("-")
    return _ALIASES.get(plain, plain)


def known(name: str) -> bool:
    """Tell whether a normalised name belongs to the stack."""
    return name in KNOWN or _NVIDIA_WHEEL.match(name) is not None


def compact(specifier: str) -> str:
    """Return a specifier without blanks and without a comma at its end."""
    return "".join(specifier.split()).strip(",").rstrip(".")


def version_of_wheel(file: str) -> tuple[str, str]:
    """Split the name of a wheel or sdist: ("torch", "2.6.0+cu124"); ("", "") where it is none."""
    plain = file.replace("%2B", "+").replace("%2b", "+").split("#", 1)[0].split("?", 1)[0]
    plain = plain.rstrip("/").rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    found = re.match(rf"({NAME})-({VERSION})", plain.removesuffix(".metadata"))
    if plain.removesuffix(".metadata").endswith(".whl"):
        parts = plain.split("-")
        return (normalised(parts[0]), parts[1]) if len(parts) >= 5 else ("", "")
    if found and plain.endswith((".tar.gz", ".zip")):
        stem = plain.removesuffix(".tar.gz").removesuffix(".zip")
        name, _, version = stem.rpartition("-")
        return (normalised(name), version) if name and version[:1].isdigit() else ("", "")
    return "", ""


def poetry_specifier(spec: str) -> str:
    """Return poetry's "^2.1" and a bare version as others write them: ">=2.1,<3"."""
    plain = compact(spec)
    if plain[:1] == "^":
        numbers = re.findall(r"\d+", plain[1:])[:3]
        place = next((i for i, n in enumerate(numbers) if int(n)), 0)
        above = [*numbers[:place], str(int(numbers[place]) + 1)] if numbers else ["0"]
        return f">={plain[1:]},<{'.'.join(above)}"
    if plain[:1].isdigit():
        return f"=={plain}"
    return "" if plain == "*" else plain
