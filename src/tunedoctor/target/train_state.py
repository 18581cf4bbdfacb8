"""Load and merge models; save and load the state of a checkpoint; write the model card."""

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
    """Return the arguments of from_pretrained for a folder, a name, or a .gguf file."""
    path = Path(os.path.abspath(Path(model).expanduser()))
    options: dict[str, Any] = {"trust_remote_code": False}
    if path.suffix == ".gguf":
        return {
            **options,
            "pretrained_model_name_or_path": str(path.parent),
            "gguf_file": path.name,
        }
    return {**options, "pretrained_model_name_or_path": str(path) if path.exists() else model}


def load_weights(name: str, kind: Any, options: dict[str, Any]) -> Any:
    """Return a model in a precision; weights of a .gguf file are dequantized."""
    import transformers

    old = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 56)
    options["torch_dtype" if old else "dtype"] = kind
    if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with or_stop(f"model {name} does not load", "download or update it"):
        auto = transformers.AutoModelForCausalLM
        model, info = auto.from_pretrained(output_loading_info=True, **options)
    if info["missing_keys"]:
        stop(f"model {name} lacks {min(info['missing_keys'])}", "download it again")
    for holder in (model, model.config) if "gguf_file" in options else ():
        for key in ("hf_quantizer", "quantization_method", "quantization_config"):
            holder.__dict__.pop(key, None)  # a dequantized model could not be saved with them
    return model


def merged(name: str, adapter: str, precise: bool = True) -> tuple[Any, Any]:  # noqa: FBT001, FBT002
    """Return a model with its adapter merged in, and the precision that it is to be saved in.

    With `precise` the model is in fp32, else in the precision that it is saved in, which needs half of the memory.
    Either way each layer is added up in fp32, because sums in 16 bits lose digits.
    """
    import torch
    from transformers import AutoConfig

    model_config = AutoConfig.from_pretrained(**source(name))
    kind = (
        getattr(model_config, "dtype", None)
        or getattr(model_config, "torch_dtype", None)
        or torch.float32
    )
    working_dtype = torch.float32 if precise else kind
    model = load_weights(name, working_dtype, source(name))
    if adapter:
        with or_stop(f"{adapter} does not load", "train again"):
            peft = importlib.import_module("peft")
            layer = importlib.import_module("peft.tuners.tuners_utils").BaseTunerLayer
            model = peft.PeftModel.from_pretrained(model, adapter)
            for layer_module in [module for module in model.modules() if isinstance(module, layer)]:
                layer_module.float().merge()
                layer_module.get_base_layer().to(working_dtype)
            model = model.base_model.unload()
    return model.eval(), kind


def save_state(state: dict[str, Any], folder: Path) -> None:
    """Write a state as JSON and its tensors as safetensors, because neither can hold code."""
    tensors: dict[str, Any] = {}

    def put(tensor: Any) -> dict[str, str]:
        name = str(len(tensors))
        tensors[name] = tensor.detach().cpu().clone().contiguous()
        return {"tensor": name}

    (folder / f"{STATE}.json").write_text(json.dumps(state, default=put), encoding="utf-8")
    importlib.import_module("safetensors.torch").save_file(tensors, folder / f"{STATE}.safetensors")


def last_state(config: Config, sha: str) -> tuple[str, dict[str, Any]]:
    """Return folder and state of the last checkpoint if the run resumes, else "" and {}."""
    folders: list[Path] = checkpoints(config)
    *older, last = [Path(), *folders]
    if not older or not config.resume:
        return "", {}
    remedy = f"delete it; remaining checkpoints: {', '.join(map(str, older[1:])) or 'none'}"
    check_digests(last, remedy)
    with or_stop(f"{last} does not load", remedy):
        load = importlib.import_module("safetensors.torch").load_file
        tensors = load(last / f"{STATE}.safetensors")

        def back(value: dict[str, Any]) -> Any:
            return tensors[value["tensor"]] if [*value] == ["tensor"] else value

        state: dict[str, Any] = json.loads((last / f"{STATE}.json").read_bytes(), object_hook=back)
    check_same(state["config"], {**asdict(config), CONTENT: sha})
    return str(last), state


def facts(run: Any) -> dict[str, Any]:
    """Return the facts about a run for JSON; the model card and the report are written from them."""
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
        "result_step": run.result, "result_why": run.why,
        "versions": versions, "config": asdict(config),
    }  # fmt: skip


def quoted(text: str) -> str:
    """Return text of a model or of data escaped for Markdown, so that none of it is markup."""
    plain = " ".join(text.split())[:600].replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]#|!])", r"\\\1", plain) or "(nothing)"


def card(run: Any) -> str:
    """Return the model card: what was trained, how to use it, and everything needed to repeat the training."""
    config, out, run_facts = run.config, os.path.abspath(run.config.out), facts(run)
    files = sorted({line.rpartition(" line ")[0] for row in run.rows for line in row.lines})
    data = ", ".join(f"`{name}`" for name in files[:9])
    toml = "\n".join(f"{key} = {json.dumps(value)}" for key, value in asdict(config).items())
    final, place = f"{out}/final", shlex.quote(out)
    how = config.method if config.objective == "sft" else f"{config.method} and {config.objective}"
    library, what = "transformers", f"All weights of `{config.model}`"
    stays, alone, serve = "", "", vllm(final)
    if config.method != "full":
        library, what = "peft", f"An adapter on `{config.model}`"
        stays = f" (the base model must stay at `{run.base}`)"
        serve = vllm(run.base, final, config.rank)
        alone = f"\n\n`doctor export {place} --merged DIR` writes one merged model that loads without peft:"
        alone += '\n`transformers.AutoModelForCausalLM.from_pretrained("DIR")`'
    heads = {"prompt": "* question", "before": "  * before", "after": "  * after"}
    heads["wanted"] = "  * expected"
    every = ((sample, key) for sample in run.samples for key in heads if key in sample)
    answers_text = "".join(f"\n{heads[key]}: {quoted(sample[key])}" for sample, key in every)
    rows = "held-out rows" if run.held else "rows of the training data"
    answers_text = (
        answers_text and f"\nAnswers before and after training on {rows}:\n{answers_text}\n"
    )
    why = f".\n{quoted(run.why)}" if run.why else ""
    versions = ", ".join(f"{name} {version}" for name, version in run_facts["versions"].items())
    return f"""---
base_model: {config.model}
library_name: {library}
---
{what}, trained with {how} for {run.step} steps on {run_facts["rows"]} rows of {data}
({run.tokens:,} tokens): {losses(run.history, run.result)}{why}

![loss](loss.svg)
{answers_text}
## How to use it

With doctor, from any folder{stays}:

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

To repeat it, use {run_facts["device"]}, {versions},
the {run_facts["rows"]} rows of data with sha256 `{run.sha}`, and this `config.toml`:

```toml
{toml}
```
"""
