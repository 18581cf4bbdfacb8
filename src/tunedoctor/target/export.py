"""Write a trained model for other programs: `python export.py JSON`, with model, adapter, merged, gguf, modelfile."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from loading import fail, load, source  # type: ignore[import-not-found]
from train_input import whole_folder  # type: ignore[import-not-found]

MARK = "# Written by doctor export"


def main(told: dict[str, Any]) -> int:
    """Write what is asked for, and say what was written."""
    tokenizer = None
    if told["merged"] or told["gguf"]:
        tokenizer, model = load(told["model"], told["adapter"], exact=True)
        if told["adapter"]:
            model = model.merge_and_unload()
        if told["gguf"]:
            from gguf_file import write  # type: ignore[import-not-found]

            print(f"{told['gguf']}: {write(model, tokenizer, told['gguf'])}", flush=True)
        if told["merged"]:
            merge(model, tokenizer, told)
    if told["modelfile"]:
        text = modelfile(tokenizer or tokens_of(told), told)
        Path(told["modelfile"]).write_text(text, encoding="utf-8")
        what = "the model's own template" if "\nTEMPLATE" in text else "no template: set one"
        print(f"{told['modelfile']}: {what}", flush=True)
    return 0


def merge(model: Any, tokenizer: Any, told: dict[str, Any]) -> None:
    """Save a model in the precision of its base."""
    import torch
    from transformers import AutoConfig

    known, place = AutoConfig.from_pretrained(**source(told["model"])), Path(told["merged"])
    kind = getattr(known, "dtype", None) or getattr(known, "torch_dtype", None) or torch.float32
    with whole_folder(str(place.parent), place.name) as new:
        model.to(kind).save_pretrained(new)
        tokenizer.save_pretrained(new)
    print(f"{place}: one model in {str(kind).split('.')[-1]}", flush=True)


def tokens_of(told: dict[str, Any]) -> Any:
    """Return the tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(**source(told["adapter"] or told["model"]))


def modelfile(tokenizer: Any, told: dict[str, Any]) -> str:
    """Return a Modelfile: weights, template, what ends an answer."""
    lines = [MARK, f"FROM {told['gguf'] or told['merged'] or told['model']}"]
    if told["adapter"] and not (told["gguf"] or told["merged"]):
        lines.append(f"ADAPTER {told['adapter']}")
    found = template_of(tokenizer) if tokenizer.chat_template else None
    if found:
        lines.append(f'TEMPLATE """{found[0]}"""')
        lines += [f'SYSTEM """{found[1]}"""'] if found[1] else []
    if tokenizer.eos_token:
        lines.append(f"PARAMETER stop {json.dumps(tokenizer.eos_token)}")
    lines += ["PARAMETER temperature 0", f"PARAMETER num_ctx {max(told['window'], 4096)}"]
    return "\n".join([*lines, ""])


def template_of(tokenizer: Any) -> tuple[str, str] | None:
    """Return Ollama's template and the default system prompt; None where it can't be said in Ollama's terms.

    The parts between the words of a conversation are taken from what the model's own template makes
    of one, put together again, and compared with it.
    """
    names = ["system", "user", "assistant", "user"]
    words = ["SYSTEMWORDS", "FIRSTQUESTION", "FIRSTANSWER", "NEXTQUESTION"]
    turns = [{"role": role, "content": text} for role, text in zip(names, words)]

    added = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    begins = tokenizer.bos_token if added else ""  # the programs add it as well

    def made(some: list[dict[str, str]], prompt: bool = True) -> str:  # noqa: FBT001, FBT002
        text = tokenizer.apply_chat_template(some, tokenize=False, add_generation_prompt=prompt)
        return str(text)[len(begins) if begins and str(text).startswith(begins) else 0 :]

    try:
        whole, alone = made(turns), made(turns[1:2])
        ended = made(turns[1:2], prompt=False).partition(words[1])[2]
        begin, _, rest = whole.partition(words[0])
        middle, _, rest = rest.partition(words[1])
        asked, _, rest = rest.partition(words[2])
        between = rest.partition(words[3])[0]
        after = made(turns[:1], prompt=False).partition(words[0])[2]
    except Exception:  # it wants other roles
        return None
    if not middle.startswith(after) or not asked.startswith(ended):
        return None
    before, prompt = middle[len(after) :], asked[len(ended) :]
    closes = between[: len(between) - len(before)] if before else between
    head = alone.partition(words[1])[0]
    system = head[len(begin) : len(head) - len(after + before)] if head != before else ""
    again = begin + words[0] + after
    for question, answer in ((words[1], words[2] + closes), (words[3], "")):
        again += before + question + ended + prompt + answer
    first = begin + system + after if system else ""
    if again != whole or first + before + words[1] + ended + prompt != alone:
        return None
    parts = (begin, after, before, ended, prompt, closes, system)
    if any('"""' in part or "{{" in part for part in parts):
        return None
    text = (
        "{{ if .System }}" + begin + "{{ .System }}" + after + "{{ end }}{{ if .Prompt }}" + before
    )
    return f"{text}{{{{ .Prompt }}}}{ended}{{{{ end }}}}{prompt}{{{{ .Response }}}}{closes}", system


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except OSError as error:
        fail(f"it can't be written: {error}", "free space, or name another place")
