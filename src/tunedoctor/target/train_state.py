"""How models are loaded and merged, and what a run keeps: the state of a checkpoint, and the model card."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
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
    loads,
    losses,
    or_stop,
    stop,
    vllm,
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


def merged(name: str, adapter: str, precise: bool = True) -> tuple[Any, Any]:  # noqa: FBT001, FBT002
    """Return a model with its adapter merged in, and the precision that it is saved in.

    It is in fp32 where it is to be precise, else as it is saved: half of the memory. Either way a layer is summed in
    fp32: sums in 16 bits lose digits.
    """
    import torch
    from transformers import AutoConfig

    known = AutoConfig.from_pretrained(**source(name))
    kind = getattr(known, "dtype", None) or getattr(known, "torch_dtype", None) or torch.float32
    held = torch.float32 if precise else kind
    model = load_weights(name, held, source(name))
    if adapter:
        with or_stop(f"{adapter} does not load", "train again"):
            peft = importlib.import_module("peft")
            layer = importlib.import_module("peft.tuners.tuners_utils").BaseTunerLayer
            model = peft.PeftModel.from_pretrained(model, adapter)
            for one in [module for module in model.modules() if isinstance(module, layer)]:
                one.float().merge()
                one.get_base_layer().to(held)
            model = model.base_model.unload()
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


def facts(run: Any) -> dict[str, Any]:
    """Return what a run was and took, as JSON can hold it: of this are model card and report."""
    import torch

    config, device = run.config, str(run.device)
    libraries = map(importlib.import_module, ("torch", "transformers", "peft"))
    if run.device.type in ("cuda", "xpu"):
        device = getattr(torch, run.device.type).get_device_name(run.device)
    versions = {m.__name__: str(m.__version__) for m in libraries}
    versions = {"Python": sys.version.split()[0], **versions}
    rows = {"rows": len(run.rows), "held_out": len(run.held), "sha256": run.sha}
    return {
        "base": run.base, "method": config.method, "weights": sum(p.numel() for p in run.trained),
        "steps": run.step, "tokens": run.tokens, **rows, "device": f"{WORLD} x {device}",
        "processes": WORLD, "row_tokens": sum(len(row.ids) for row in run.rows),
        "memory_gib": run.memory(), "seconds": run.seconds, "resumed_from": run.resumed,
        "versions": versions, "config": asdict(config),
    }  # fmt: skip


def quoted(text: str) -> str:
    """Return a text of a model or of data as a quotation in Markdown, in which it marks nothing up."""
    plain = " ".join(text.split())[:600].replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]#|!])", r"\\\1", plain) or "(nothing)"


def card(run: Any) -> str:
    """Return the model card: what was made, how it is used, and everything to make it again."""
    config, out, told = run.config, os.path.abspath(run.config.out), facts(run)
    files = sorted({line.rpartition(" line ")[0] for row in run.rows for line in row.lines})
    data = ", ".join(f"`{name}`" for name in files[:9])
    toml = "\n".join(f"{key} = {json.dumps(value)}" for key, value in asdict(config).items())
    final, place = f"{out}/final", shlex.quote(out)
    library, what = "transformers", f"`{config.model}`, all weights"
    stays, alone, serve = "", "", vllm(final)
    if config.method != "full":
        library, what = "peft", f"An adapter on `{config.model}`"
        stays = f"; its base `{run.base}` must stay where it is"
        serve = vllm(run.base, final, config.rank)
        alone = f"\n\n`doctor export {place} --merged DIR` makes one model, which needs no peft:"
        alone += '\n`transformers.AutoModelForCausalLM.from_pretrained("DIR")`'
    heads = {"prompt": "* asked", **{key: f"  * {key}" for key in ("before", "after", "wanted")}}
    every = ((one, key) for one in run.samples for key in heads if key in one)
    answered = "".join(f"\n{heads[key]}: {quoted(one[key])}" for one, key in every)
    whose = "rows that were held out" if run.held else "rows that it learned from"
    answered = answered and f"\nAnswers before and after training, to {whose}:\n{answered}\n"
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return f"""---
base_model: {config.model}
library_name: {library}
---
{what}, trained by {config.method} for {run.step} steps on {told["rows"]} rows of {data}
({run.tokens:,} tokens): {losses(run.history)}

![loss](loss.svg)
{answered}
## How to use it

With the doctor, from any folder{stays}:

```sh
doctor chat {place}
```

In Python:

```python
{loads(config.method, final)}
```{alone}

With vLLM:

```sh
{serve}
```

With llama.cpp and Ollama:

```sh
doctor export {place} --gguf tuned.gguf --modelfile Modelfile
llama-cli -m tuned.gguf
ollama create tuned -f Modelfile
```

## How it was made

The last step: {json.dumps(run.history[-1])}

To repeat it: {told["device"]}, {versions},
{told["rows"]} rows of data with sha256 `{run.sha}`, and as `config.toml`

```toml
{toml}
```
"""
