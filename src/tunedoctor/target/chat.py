"""Chat with a model: `python chat.py JSON`; keys: model, adapter, prompt, compare, max_tokens, temperature, system."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any

from loading import load_tokenizer  # type: ignore[import-not-found]
from safe_text import CleanStream  # type: ignore[import-not-found]
from train_data import ends  # type: ignore[import-not-found]
from train_input import or_stop, stop  # type: ignore[import-not-found]
from train_rows import Bounded, template_file  # type: ignore[import-not-found]
from train_state import load_weights, source  # type: ignore[import-not-found]


class Printer:
    """A streamer for generate(): prints the tokens of an answer as they come."""

    def __init__(self, tokenizer: Any) -> None:
        """Start an answer."""
        self.tokenizer, self.shown = tokenizer, ""
        self.ids: Any = None

    def put(self, value: Any) -> None:
        """Skip the prompt, which comes first; print each later token. An incomplete character waits for its rest."""
        self.ids = [] if self.ids is None else [*self.ids, *value.reshape(-1).tolist()]
        self.end("", "\ufffd")

    def end(self, last: str = "\n", waits: str = "") -> None:
        """Print the rest of the text, then `last`; characters of `waits` at its end are held back."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True).lstrip().rstrip(waits)
        print(text[len(self.shown) :], end=last, flush=True)
        self.shown = text


class Talk:
    """A conversation with one model."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Load tokenizer, model and adapter, in 16 bits if there is a GPU."""
        import torch

        self.settings, self.tokenizer = settings, load_tokenizer(settings)
        self.template = template_file(settings["adapter"] or settings["model"])
        self.turns = (
            [{"role": "system", "content": settings["system"]}] if settings["system"] else []
        )
        if settings["system"] and not self.tokenizer.chat_template:
            wrong = "the model has no chat template, so it takes no system prompt"
            stop(wrong, "leave --system out")
        options, kind, is_cuda = source(settings["model"]), torch.float32, torch.cuda.is_available()
        if is_cuda or torch.backends.mps.is_available():
            kind = torch.bfloat16 if is_cuda and torch.cuda.is_bf16_supported() else torch.float16
            options["device_map"] = "auto" if is_cuda else "mps"
        self.model = load_weights(settings["model"], kind, options).eval()
        if settings["adapter"]:
            with or_stop(f"{settings['adapter']} does not load", "train again"):
                peft = importlib.import_module("peft").PeftModel
                self.model = peft.from_pretrained(self.model, settings["adapter"]).eval()

    def answer(self, question: str) -> str:
        """Print an answer as it comes, and return it."""
        import torch

        text, has = question, bool(self.tokenizer.chat_template)
        if has:
            wrong = "the model's chat template rejects this conversation"
            with or_stop(wrong, "leave --system out"):
                turns = [*self.turns, {"role": "user", "content": question}]
                render = Bounded(self.tokenizer.apply_chat_template, self.template)
                text = render(turns, tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=not has)["input_ids"]
        end = self.tokenizer.eos_token_id
        ids = torch.tensor([ids[:-1] if not has and ids[-1:] == [end] else ids])
        ids, printer = ids.to(self.model.device), Printer(self.tokenizer)
        how: dict[str, Any] = {"max_new_tokens": self.settings["max_tokens"], "streamer": printer}
        how.update(ends(self.model, self.tokenizer))
        warm = self.settings["temperature"]
        how.update(do_sample=warm > 0, temperature=warm or None, top_p=None, top_k=None)
        with torch.no_grad():
            self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
        return printer.shown

    def ask(self, question: str) -> None:
        """Print the answer of the model, or with --compare of the base and of the adapter."""
        if self.settings["compare"]:
            print("base:", flush=True)
            with self.model.disable_adapter():
                self.answer(question)
            print("\nadapter:", flush=True)
        answer = self.answer(question)
        for role, text in (("user", question), ("assistant", answer)):
            self.turns.append({"role": role, "content": text})


def main(options: dict[str, Any]) -> int:
    """Answer --prompt, or else each question typed; return the exit code."""
    talk = Talk(options)
    if options["prompt"]:
        talk.ask(options["prompt"])
        return 0
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # arrow keys
    print("Type /quit, or press Ctrl-D or Ctrl-C, to end.", file=sys.stderr, flush=True)
    with contextlib.suppress(EOFError):
        while (question := input("> ").strip()) != "/quit":
            if question:
                talk.ask(question)
    return 0


if __name__ == "__main__":
    # clean text of models and their files; progress bars on stderr need carriage returns
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr, "\n\t\r")
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        print(flush=True)
        sys.exit(130)
