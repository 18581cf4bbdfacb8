"""How models are loaded and merged, and what a run keeps: the state of a checkpoint, and the model card."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train_input import (  # type: ignore[import-not-found]
    CONTENT,
    STATE,
    WORLD,
    Config,
    check_digests,
    check_same,
    checkpoints,
    losses,
    or_stop,
    stop,
)


def source(model: str) -> dict[str, Any]:
    """Return what from_pretrained takes: a folder or name, and the .gguf file in it."""
    path = Path(os.path.abspath(Path(model).expanduser()))
    found: dict[str, Any] = {"trust_remote_code": False}
    if path.suffix == ".gguf":
        return {**found, "pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    return {**found, "pretrained_model_name_or_path": str(path) if path.exists() else model}


def load_weights(name: str, kind: Any, options: dict[str, Any]) -> Any:
    """Return a model in a precision; what a .gguf file holds is unpacked."""
    import transformers

    old = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)
    options["torch_dtype" if old else "dtype"] = kind
    if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with or_stop(f"model {name} does not load", "download or update it"):
        auto = transformers.AutoModelForCausalLM
        model, told = auto.from_pretrained(output_loading_info=True, **options)
    if told["missing_keys"]:
        stop(f"model {name} lacks {min(told['missing_keys'])}", "download it anew")
    for one in (model, model.config) if "gguf_file" in options else ():
        for key in ("hf_quantizer", "quantization_method", "quantization_config"):
            one.__dict__.pop(key, None)  # it is unpacked, and could not be saved with them
    return model


def merged(name: str, adapter: str) -> tuple[Any, Any]:
    """Return a model with its adapter merged in, in fp32, and the precision that it is saved in."""
    import torch
    from transformers import AutoConfig

    known = AutoConfig.from_pretrained(**source(name))
    kind = getattr(known, "dtype", None) or getattr(known, "torch_dtype", None) or torch.float32
    model = load_weights(name, torch.float32, source(name))  # sums in 16 bits lose digits
    if adapter:
        with or_stop(f"{adapter} does not load", "train again"):
            peft = importlib.import_module("peft").PeftModel
            model = peft.from_pretrained(model, adapter).merge_and_unload()
    return model.eval(), kind


def save_state(state: dict[str, Any], folder: Path) -> None:
    """Write a state as JSON and its tensors as safetensors: neither can hold code."""
    tensors: dict[str, Any] = {}

    def put(tensor: Any) -> dict[str, str]:
        name = str(len(tensors))
        tensors[name] = tensor.detach().cpu().clone().contiguous()
        return {"tensor": name}

    (folder / f"{STATE}.json").write_text(json.dumps(state, default=put), encoding="utf-8")
    importlib.import_module("safetensors.torch").save_file(tensors, folder / f"{STATE}.safetensors")


def last_state(config: Config, sha: str) -> tuple[str, dict[str, Any]]:
    """Return folder and state of the last checkpoint, if the run is to go on from it."""
    found: list[Path] = checkpoints(config)
    *older, last = [Path(), *found]
    if not older or not config.resume:
        return "", {}
    remedy = f"delete it; left are {[str(x) for x in older[1:]]}"
    check_digests(last, remedy)
    with or_stop(f"{last} does not load", remedy):
        load = importlib.import_module("safetensors.torch").load_file
        tensors = load(last / f"{STATE}.safetensors")

        def back(one: dict[str, Any]) -> Any:
            return tensors[one["tensor"]] if [*one] == ["tensor"] else one

        state: dict[str, Any] = json.loads((last / f"{STATE}.json").read_bytes(), object_hook=back)
    check_same(state["config"], {**asdict(config), CONTENT: sha})
    return str(last), state


def card(run: Any) -> str:
    """Return the model card: what was made, how it is used, and everything to make it again."""
    libraries = map(importlib.import_module, ("torch", "transformers", "peft"))
    versions = ", ".join(f"{one.__name__} {one.__version__}" for one in libraries)
    config, out = run.config, os.path.abspath(run.config.out)
    files = sorted({line.rpartition(" line ")[0] for row in run.rows for line in row.lines})
    data = ", ".join(f"`{name}`" for name in files[:9])
    toml = "\n".join(f"{key} = {json.dumps(value)}" for key, value in asdict(config).items())
    is_full = config.method == "full"
    library, kind = ("transformers", "Auto") if is_full else ("peft", "AutoPeft")
    stays = "" if is_full else f"; its base `{run.base}` must stay where it is"
    alone = f"`doctor export '{out}' --merged DIR` makes one model, and then it needs no peft: "
    alone += '`transformers.AutoModelForCausalLM.from_pretrained("DIR")`.\n\n'
    return f"""---
base_model: {config.model}
library_name: {library}
---
`{config.model}` by {config.method}, {run.step} steps on {len(run.rows)} rows of {data}:
{losses(run.history)}

![loss](loss.svg)

## How to use it

In Python, from any folder{stays}:

```python
from {library} import {kind}ModelForCausalLM
from transformers import AutoTokenizer

model = {kind}ModelForCausalLM.from_pretrained({json.dumps(f"{out}/final")})
tokenizer = AutoTokenizer.from_pretrained({json.dumps(f"{out}/final")})
```

{"" if is_full else alone}`doctor chat '{out}'` asks it;
`doctor export '{out}'` makes it ready for Ollama, llama.cpp and vLLM.

## How it was made

The last step: {json.dumps(run.history[-1])}

To repeat it: {WORLD} x {run.device}, Python {sys.version.split()[0]}, {versions},
{len(run.rows)} rows of data with sha256 `{run.sha}`, and as `config.toml`

```toml
{toml}
```
"""
