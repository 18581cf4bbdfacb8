"""Write a trained model for other programs: `python export.py JSON`.

With model, adapter, merged, gguf, modelfile, and as formats the table gguf.json where a .gguf is asked for.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from gguf_file import write  # type: ignore[import-not-found]
from loading import UNFINISHED, load_tokenizer, lock_unfinished, remove_unfinished  # type: ignore[import-not-found]
from safe_text import CleanStream  # type: ignore[import-not-found]
from train_input import stop, whole_folder  # type: ignore[import-not-found]
from train_rows import Bounded, TemplateLimitError, template_file  # type: ignore[import-not-found]
from train_state import merged  # type: ignore[import-not-found]

SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


def main(told: dict[str, Any]) -> int:
    """Write what is asked for, and say what was written."""
    for path in filter(None, (told["merged"], told["gguf"])):
        remove_unfinished(Path(path).parent)
        lock_unfinished(Path(path))
    tokenizer, place = load_tokenizer(told), Path(told["merged"])
    if told["merged"] or told["gguf"]:
        model, kind = merged(told["model"], told["adapter"], precise=bool(told["gguf"]))
    if told["gguf"]:
        said = write(model, tokenizer, told["gguf"], told["formats"])
        print(f"{told['gguf']}: {said}", flush=True)
    if told["merged"]:
        with whole_folder(str(place.parent), place.name, UNFINISHED) as new:
            model.to(kind).save_pretrained(new)
            tokenizer.save_pretrained(new)
        print(f"{place}: one model in {str(kind).split('.')[-1]}", flush=True)
    if told["modelfile"]:
        text = modelfile(tokenizer, told)
        Path(told["modelfile"]).write_text(text, encoding="utf-8")
        what = "the model's own template" if "\nTEMPLATE" in text else "no template: set one"
        print(f"{told['modelfile']}: {what}", flush=True)
    return 0


def modelfile(tokenizer: Any, told: dict[str, Any]) -> str:
    """Return a Modelfile: weights, template, what ends an answer."""
    alone = told["gguf"] or told["merged"]
    file = template_file(told["adapter"] or told["model"])
    template, system = template_of(tokenizer, file) if tokenizer.chat_template else ("", "")
    values = {
        "FROM": alone or told["model"],
        "ADAPTER": "" if alone else told["adapter"],
        "TEMPLATE": template and f'"""{template}"""',
        "SYSTEM": system and f'"""{system}"""',
        "PARAMETER stop": tokenizer.eos_token and json.dumps(tokenizer.eos_token),
        "PARAMETER temperature": "0",
        "PARAMETER num_ctx": "4096",
    }
    lines = [f"{key} {value}\n" for key, value in values.items() if value]
    return "".join(["# Written by doctor export\n", *lines])


def template_of(tokenizer: Any, file: str) -> tuple[str, str]:
    """Return Ollama's template and the default system prompt; empty where Ollama has no words for it.

    What stands between the words of a conversation is cut out of what the model's own template makes
    of one, and must give the same when it is put together again.
    """
    added = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    begins = tokenizer.bos_token if added else ""  # the programs add it as well

    render = Bounded(tokenizer.apply_chat_template, file)

    def cut(roles: str, prompt: bool = True) -> list[str]:  # noqa: FBT001, FBT002
        turns = [{"role": role, "content": "WORDS"} for role in roles.split()]
        text = str(render(turns, tokenize=False, add_generation_prompt=prompt))
        return text[len(begins) if text.startswith(begins) else 0 :].split("WORDS")

    try:
        begin, middle, asked, between, last = cut("system user assistant user")
        (head, tail), ended = cut("user"), cut("user", prompt=False)[1]
        after = cut("system", prompt=False)[1]
    except TemplateLimitError as error:
        stop(f"{error}", "repair that file, or download the model anew")
    except Exception:  # it wants other roles
        return "", ""
    before, prompt = middle[len(after) :], asked[len(ended) :]
    closes = between[: len(between) - len(before)]
    system = "" if head == before else head[len(begin) : len(head) - len(after + before)]
    again = [after + before, ended + prompt, closes + before, ended + prompt, ended + prompt]
    is_told = [middle, asked, between, last, tail] == again
    is_told &= head == (begin + system + after + before if system else before)
    if not is_told or any(mark in begin + head + asked + between for mark in ('"""', "{{")):
        return "", ""
    first = "{{ if .System }}" + begin + "{{ .System }}" + after + "{{ end }}{{ if .Prompt }}"
    first += before + "{{ .Prompt }}" + ended + "{{ end }}" + prompt
    return first + "{{ .Response }}" + closes, system


def end_by_exception(number: int, _: Any) -> None:
    """End by an exception, so that what is half written is removed; further signals must not stop that."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # as nohup has it
            signal.signal(each, end_by_exception)
    # whatever a model or its files say; bars of progress are drawn over
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr, "\n\t\r")
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except OSError as error:
        stop(f"it can't be written: {error}", "free space, or name another place")
