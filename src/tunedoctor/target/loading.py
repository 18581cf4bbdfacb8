"""Loads a model, and an adapter on it, to be asked or exported: what chat.py and export.py share."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
os.environ.update(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore")
from train_input import DIGESTS, check_digests  # type: ignore[import-not-found]


def fail(what: str, remedy: str) -> NoReturn:
    """End with what is wrong and the way out."""
    print(f"{what}\n  {remedy}", file=sys.stderr, flush=True)
    raise SystemExit(2)


def source(model: str) -> dict[str, Any]:
    """Return what from_pretrained takes for a folder, a .gguf file or a name on the hub."""
    path, found = Path(model), {"trust_remote_code": False}
    if path.is_file():
        return {**found, "pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
    return {**found, "pretrained_model_name_or_path": model}


def load(model: str, adapter: str, *, exact: bool) -> tuple[Any, Any]:
    """Return tokenizer and model; `exact`: on the CPU in fp32, to compute with the weights themselves."""
    try:
        return _load(model, adapter, exact)
    except SystemExit:
        raise
    except Exception as error:
        if "out of memory" in str(error):  # the doctor diagnoses that
            raise
        fail(f"{model} does not load: {error!r:.300}", "download or update it, or train again")


def _load(model: str, adapter: str, exact: bool) -> tuple[Any, Any]:  # noqa: FBT001
    if adapter and Path(adapter, DIGESTS).exists():
        check_digests(Path(adapter), "train again")
    sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # peft loads it: 1.5 s
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    options, kind = source(model), torch.float32
    tokens = {"pretrained_model_name_or_path": adapter} if adapter else source(model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(**tokens)
    on_gpu = not exact and (torch.cuda.is_available() or torch.backends.mps.is_available())
    if on_gpu:
        bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        kind = torch.bfloat16 if bf16 else torch.float16
        options["device_map"] = "auto" if torch.cuda.is_available() else "mps"
    old = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)
    options["torch_dtype" if old else "dtype"] = kind
    if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    found = transformers.AutoModelForCausalLM.from_pretrained(**options)
    for one in (found, found.config) if "gguf_file" in options else ():
        for name in ("hf_quantizer", "quantization_method", "quantization_config"):
            one.__dict__.pop(name, None)
    if adapter:
        from peft import PeftModel

        found = PeftModel.from_pretrained(found, adapter)
    return tokenizer, found.eval()
