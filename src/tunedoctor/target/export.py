"""Write a trained model for other programs: `python export.py JSON`.

Keys: model, adapter, merged, gguf, modelfile, and formats: the table gguf.json, needed for a .gguf file.
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


def main(options: dict[str, Any]) -> int:
    """Write the requested files, and print a line for each."""
    for path in filter(None, (options["merged"], options["gguf"])):
        remove_unfinished(Path(path).parent)
        lock_unfinished(Path(path))
    tokenizer, place = load_tokenizer(options), Path(options["merged"])
    if options["merged"] or options["gguf"]:
        model, kind = merged(options["model"], options["adapter"], precise=bool(options["gguf"]))
    if options["gguf"]:
        result = write(model, tokenizer, options["gguf"], options["formats"])
        print(f"{options['gguf']}: {result}", flush=True)
    if options["merged"]:
        with whole_folder(str(place.parent), place.name, UNFINISHED) as new:
            model.to(kind).save_pretrained(new)
            tokenizer.save_pretrained(new)
        print(f"{place}: merged model in {str(kind).split('.')[-1]}", flush=True)
    if options["modelfile"]:
        text = modelfile(tokenizer, options)
        Path(options["modelfile"]).write_text(text, encoding="utf-8")
        what = "without TEMPLATE: add one that Ollama understands"
        what = "with the model's own template" if "\nTEMPLATE" in text else what
        print(f"{options['modelfile']}: {what}", flush=True)
    return 0


def modelfile(tokenizer: Any, options: dict[str, Any]) -> str:
    """Return the text of a Modelfile for Ollama: weights, template, stop token, parameters."""
    alone = options["gguf"] or options["merged"]
    file = template_file(options["adapter"] or options["model"])
    template, system = template_of(tokenizer, file) if tokenizer.chat_template else ("", "")
    values = {
        "FROM": alone or options["model"],
        "ADAPTER": "" if alone else options["adapter"],
        "TEMPLATE": template and f'"""{template}"""',
        "SYSTEM": system and f'"""{system}"""',
        "PARAMETER stop": tokenizer.eos_token and json.dumps(tokenizer.eos_token),
        "PARAMETER temperature": "0",
        "PARAMETER num_ctx": "4096",
    }
    lines = [f"{key} {value}\n" for key, value in values.items() if value]
    return "".join(["# Written by doctor export\n", *lines])


def template_of(tokenizer: Any, file: str) -> tuple[str, str]:
    """Return Ollama's template and the default system prompt; "" for both if Ollama can't express the template.

    The model's own template writes sample conversations. The text around their words is cut out, and
    the conversations put together from these parts must be the same again.
    """
    added = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    begins = tokenizer.bos_token if added else ""  # Ollama and llama.cpp add it too

    render = Bounded(tokenizer.apply_chat_template, file)

    def cut(roles: str, prompt: bool = True) -> list[str]:  # noqa: FBT001, FBT002
        turns = [{"role": role, "content": "WORDS"} for role in roles.split()]
        text = str(render(turns, tokenize=False, add_generation_prompt=prompt))
        return text[len(begins) if text.startswith(begins) else 0 :].split("WORDS")

    try:
        begin, middle, answer_part, between, last = cut("system user assistant user")
        (head, tail), closing = cut("user"), cut("user", prompt=False)[1]
        after = cut("system", prompt=False)[1]
    except TemplateLimitError as error:
        stop(f"{error}", "repair that file, or download the model again")
    except Exception:  # the template takes other roles
        return "", ""
    opening, prompt = middle[len(after) :], answer_part[len(closing) :]
    closes = between[: len(between) - len(opening)]
    system = "" if head == opening else head[len(begin) : len(head) - len(after + opening)]
    expected = [
        after + opening,
        closing + prompt,
        closes + opening,
        closing + prompt,
        closing + prompt,
    ]
    is_same = [middle, answer_part, between, last, tail] == expected
    is_same &= head == (begin + system + after + opening if system else opening)
    if not is_same or any(mark in begin + head + answer_part + between for mark in ('"""', "{{")):
        return "", ""
    first = "{{ if .System }}" + begin + "{{ .System }}" + after + "{{ end }}{{ if .Prompt }}"
    first += opening + "{{ .Prompt }}" + closing + "{{ end }}" + prompt
    return first + "{{ .Response }}" + closes, system


def end_by_exception(number: int, _: Any) -> None:
    """Raise SystemExit, so that unfinished files are removed; ignore further signals meanwhile."""
    for each_signal in SIGNALS:
        signal.signal(each_signal, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(each, end_by_exception)
    # clean text of models and their files; progress bars on stderr need carriage returns
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr, "\n\t\r")
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except OSError as error:
        stop(f"can't write the export: {error}", "free some space, or name another folder")
