"""Names of the libraries of the stack as reports spell them -> names of distributions."""

import re

from tunedoctor.readers.values.names import normal

KNOWN = frozenset(
    """accelerate aiohttp apex auto-gptq autoawq auto-round axolotl bitsandbytes causal-conv1d coqui-tts cupy-cuda12x
    compressed-tensors datasets deepspeed diffusers einops evaluate fairscale faiss-cpu faiss-gpu fastapi fla flax
    flash-attn flash-linear-attention flashinfer flashinfer-python fsspec galore-torch gptqmodel gradio hf-transfer
    hf-xet huggingface-hub hqq intel-extension-for-pytorch jax jaxlib keras kernels lerobot liger-kernel lightning
    llama-cpp-python llamafactory llm-blender lm-eval lycoris-lora mamba-ssm mmcv mmcv-full mmdet mmengine ms-swift
    modelscope nltk numba numpy nvidia-nccl-cu12 onnx onnxruntime onnxruntime-gpu openai opencv-python optimum orjson
    outlines packaging pandas peft pillow pip prodigyopt protobuf psutil pyarrow pydantic pytorch-lightning
    pytorch-triton pytorch-triton-rocm pytorch3d ray requests rich safetensors scikit-learn scipy seaborn
    sentence-transformers sentencepiece setuptools sgl-kernel sglang sgl-router spacy spandrel tensorboard tensorflow
    tiktoken timm tokenizers torchao torchaudio torchcodec torchdata torchmetrics torchsde torchtext torchtune
    torchvision tqdm transformer-engine transformers triton triton-windows trl tts unsloth unsloth-zoo urllib3 uv
    uvicorn vllm wandb wheel xformers xgrammar zstandard comfyui-frontend-package detectron2 fvcore hydra-core
    iopath litellm llmcompressor megatron-core mlx mlx-lm opencv-python-headless swift torch-geometric torch-scatter
    torch-sparse torchtitan ultralytics whisper openai-whisper faster-whisper ctranslate2 moviepy av decord qwen-vl-utils
    cuda-python cuda-bindings nvidia-cudnn-cu12 nvidia-ml-py pynvml sympy networkx filelock jinja2 typing-extensions""".split()
)
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
_VERSION = re.compile(
    r"""\A['"`(\[v= ]{0,6}(?:[\w-]{2,30}==)?v?(?P<version>\d{1,5}(?:\.\d{1,9}){1,4}(?:[._-]?(?:a|b|rc|dev|post|pre|git)\.?\d*){0,3}"""
    r"""(?:\+[A-Za-z0-9][\w.]{0,60})?)['"`)\],;.]{0,4}(?P<rest>\s.{0,200}|\Z)"""
)
_BENIGN = re.compile(r"\A\s*(?:\Z|[(\[@,;/•|#]|from |at |\w{1,3}\Z|[\w-]{2,30}==|pre-?release|nightly|stable|latest|dev\b)", re.IGNORECASE)


def library_of(name: str) -> str:
    """Return the distribution that a name stands for; "" where it is none of the stack."""
    plain = normal(name)
    if plain in ALIASES:
        return ALIASES[plain]
    dashed = plain.replace(" ", "-").replace(".", "-")
    return dashed if dashed in KNOWN else ""


_HAVE = re.compile(r"\(you have (?P<have>[^()\s]{1,80})\)")


def instead(value: str) -> str:
    """Return what stands for a value: of "3.10.16 (you have 3.10.12)", as a build for another version has it, the latter."""
    found = _HAVE.search(value[:300])
    return found["have"] if found else value


def version_in(value: str, *, whole: bool = False) -> str | None:
    """Return the version that a value begins with: "'2.7.1+cu126'", "v1.2", "torch==2.3.0", "0.6 @/path"; None for none.

    `whole`: nothing but a remark in brackets stands behind it.
    """
    found = _VERSION.match(instead(value[:400]))
    if found is None or not _BENIGN.match(found["rest"]):
        return None
    if whole and found["rest"].strip() and not re.match(r"\s*[(\[#,;•|]", found["rest"]):
        return None
    return found["version"]
