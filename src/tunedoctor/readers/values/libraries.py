"""Names of the libraries of the stack as reports spell them -> names of distributions."""

import re

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.names import CUT, KEYS, NUMBERED, OWNS, normal

_STACK = """
accelerate aiohttp apex auto-gptq auto-round autoawq av axolotl bitsandbytes causal-conv1d
comfyui-frontend-package compressed-tensors coqui-tts ctranslate2 cuda-bindings cuda-python cupy-cuda12x
datasets decord deepspeed detectron2 diffusers einops evaluate fairscale faiss-cpu faiss-gpu fastapi
faster-whisper filelock fla flash-attn flash-linear-attention flashinfer flashinfer-python flax fsspec fvcore
galore-torch gptqmodel gradio hf-transfer hf-xet hqq huggingface-hub hydra-core intel-extension-for-pytorch
iopath jax jaxlib jinja2 keras kernels lerobot liger-kernel lightning litellm llama-cpp-python llamafactory
llm-blender llmcompressor lm-eval lycoris-lora mamba-ssm megatron-core mlx mlx-lm mmcv mmcv-full mmdet
mmengine modelscope moviepy ms-swift networkx nltk numba numpy nvidia-cudnn-cu12 nvidia-ml-py nvidia-nccl-cu12
onnx onnxruntime onnxruntime-gpu openai openai-whisper opencv-python opencv-python-headless optimum orjson
outlines packaging pandas peft pillow pip prodigyopt protobuf psutil pyarrow pydantic pynvml pytorch-lightning
pytorch-triton pytorch-triton-rocm pytorch3d qwen-vl-utils ray requests rich safetensors scikit-learn scipy
seaborn sentence-transformers sentencepiece setuptools sgl-kernel sgl-router sglang spacy spandrel swift sympy
tensorboard tensorflow tiktoken timm tokenizers torch-geometric torch-scatter torch-sparse torchao torchaudio
torchcodec torchdata torchmetrics torchsde torchtext torchtitan torchtune torchvision tqdm transformer-engine
transformers triton triton-windows trl tts typing-extensions ultralytics unsloth unsloth-zoo urllib3 uv
uvicorn vllm wandb wheel whisper xformers xgrammar zstandard
"""
KNOWN = frozenset(_STACK.split())
"""Names of distributions that mean themselves."""
ALIASES = {
    "hf hub": "huggingface-hub",
    "huggingface": "huggingface-hub",
    "hub": "huggingface-hub",
    "flash attention": "flash-attn",
    "flash attention 2": "flash-attn",
    "flash attn": "flash-attn",
    "flashattention": "flash-attn",
    "bnb": "bitsandbytes",
    "llama factory": "llamafactory",
    "pil": "pillow",
    "tensorboardx": "tensorboardx",
    "pytorch lightning": "pytorch-lightning",
    "lightning": "lightning",
    "open clip": "open-clip-torch",
    "ipex": "intel-extension-for-pytorch",
    "opencv": "opencv-python",
    "cv2": "opencv-python",
    "sentence transformers": "sentence-transformers",
    "vllm": "vllm",
    "te": "transformer-engine",
    "llamafactory": "llamafactory",
    "transformer": "transformers",
    "faiss": "faiss-cpu",
    "flashinfer python": "flashinfer-python",
    "lora": "",
    "uv": "uv",
    "swift": "ms-swift",
    "whisper": "openai-whisper",
    "tts": "tts",
    "sam2": "sam2",
}
_VERSION = pattern(
    r"""\A['"`(\[v= ]{0,6}(?:[\w-]{2,30}==)?v?(?P<version>\d{1,5}(?:\.\d{1,9}){1,4}"""
    r"""(?:[._-]?(?:a|b|rc|dev|post|pre|git)\.?\d*){0,3}"""
    r"""(?:\+[A-Za-z0-9][\w.]{0,60})?)['"`*)\],;.]{0,4}(?P<rest>\s.{0,200}|\Z)"""
)
_BENIGN = pattern(
    r"\A\s*(?:\Z|[(\[@,;/•|#]|from |at |\w{1,3}\Z|[\w-]{2,30}==|pre-?release|nightly|stable|latest|dev\b|available\b)",
    re.IGNORECASE,
)


_LETTERS = pattern(r"[^\W\d_]+")


def _first_letters(text: str) -> str:
    found = _LETTERS.search(text)
    return found[0].lower() if found else ""


_BEGINNINGS = frozenset(map(_first_letters, (*KEYS, *CUT, *ALIASES, *KNOWN, *NUMBERED, *OWNS)))


def begins_a_name(text: str) -> bool:
    """Tell whether the first letters of a text are those of any known name: most lines of a text are done with that."""
    return _first_letters(text) in _BEGINNINGS


def library_of(name: str) -> str:
    """Return the distribution that a name stands for; "" where it is none of the stack."""
    plain = normal(name)
    if plain in ALIASES:
        return ALIASES[plain]
    dashed = plain.replace(" ", "-").replace(".", "-")
    return dashed if dashed in KNOWN else ""


_HAVE = pattern(r"\(you have (?P<have>[^()\s]{1,80})\)")


def instead(value: str) -> str:
    """Return what is there: of "3.10.16 (you have 3.10.12)", as a build for another version says, the latter."""
    found = _HAVE.search(value[:300])
    return found["have"] if found else value


def version_in(value: str, *, whole: bool = False) -> str | None:
    """Return the version that a value begins with, None for none: "'2.7.1+cu126'", "v1.2", "0.6 @/path".

    `whole`: nothing but a remark in brackets stands behind it.
    """
    found = _VERSION.match(instead(value[:400]))
    if found is None or not _BENIGN.match(found["rest"]):
        return None
    if (
        whole
        and found["rest"].strip()
        and not re.match(r"\s*(?:[(\[#,;•|]|available\b)", found["rest"])
    ):
        return None
    return found["version"]
