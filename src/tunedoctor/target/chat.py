"""Ask a model: `python chat.py JSON`, with model, adapter, prompt, compare, max_tokens, temperature and system."""

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
    """Shows the tokens of an answer as they come; what generate() calls a streamer."""

    def __init__(self, tokenizer: Any) -> None:
        """Begin with nothing shown."""
        self.tokenizer, self.shown = tokenizer, ""
        self.ids: Any = None

    def put(self, value: Any) -> None:
        """Take the prompt first, then each token; half a character waits for its rest."""
        self.ids = [] if self.ids is None else [*self.ids, *value.reshape(-1).tolist()]
        self.end("", "\ufffd")

    def end(self, last: str = "\n", waits: str = "") -> None:
        """Show what was not yet."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True).lstrip().rstrip(waits)
        print(text[len(self.shown) :], end=last, flush=True)
        self.shown = text


class Talk:
    """A conversation with one model."""

    def __init__(self, told: dict[str, Any]) -> None:
        """Load what is asked, on a GPU in 16 bits where there is one."""
        import torch

        self.told, self.tokenizer = told, load_tokenizer(told)
        self.template = template_file(told["adapter"] or told["model"])
        self.turns = [{"role": "system", "content": told["system"]}] if told["system"] else []
        if told["system"] and not self.tokenizer.chat_template:
            stop("the model has no chat template, so no system prompt", "leave --system out")
        options, kind, is_cuda = source(told["model"]), torch.float32, torch.cuda.is_available()
        if is_cuda or torch.backends.mps.is_available():
            kind = torch.bfloat16 if is_cuda and torch.cuda.is_bf16_supported() else torch.float16
            options["device_map"] = "auto" if is_cuda else "mps"
        self.model = load_weights(told["model"], kind, options).eval()
        if told["adapter"]:
            with or_stop(f"{told['adapter']} does not load", "train again"):
                peft = importlib.import_module("peft").PeftModel
                self.model = peft.from_pretrained(self.model, told["adapter"]).eval()

    def answer(self, question: str) -> str:
        """Show an answer as it comes, and return it."""
        import torch

        text, has = question, bool(self.tokenizer.chat_template)
        if has:
            with or_stop("the chat template refuses it", "leave --system out"):
                turns = [*self.turns, {"role": "user", "content": question}]
                render = Bounded(self.tokenizer.apply_chat_template, self.template)
                text = render(turns, tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=not has)["input_ids"]
        end = self.tokenizer.eos_token_id
        ids = torch.tensor([ids[:-1] if not has and ids[-1:] == [end] else ids])
        ids, printer = ids.to(self.model.device), Printer(self.tokenizer)
        how: dict[str, Any] = {"max_new_tokens": self.told["max_tokens"], "streamer": printer}
        how.update(ends(self.model, self.tokenizer))
        warm = self.told["temperature"]
        how.update(do_sample=warm > 0, temperature=warm or None, top_p=None, top_k=None)
        with torch.no_grad():
            self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
        return printer.shown

    def ask(self, question: str) -> None:
        """Show the answer, of the base and of the adapter where both are wanted."""
        if self.told["compare"]:
            print("base:", flush=True)
            with self.model.disable_adapter():
                self.answer(question)
            print("\nadapter:", flush=True)
        said = self.answer(question)
        for role, text in (("user", question), ("assistant", said)):
            self.turns.append({"role": role, "content": text})


def main(told: dict[str, Any]) -> int:
    """Answer one question, or all that are typed."""
    talk = Talk(told)
    if told["prompt"]:
        talk.ask(told["prompt"])
        return 0
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # arrow keys
    print("/quit, Ctrl-D or Ctrl-C ends it", file=sys.stderr, flush=True)
    with contextlib.suppress(EOFError):
        while (question := input("> ").strip()) != "/quit":
            if question:
                talk.ask(question)
    return 0


if __name__ == "__main__":
    # whatever a model or its files say; bars of progress are drawn over
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr, "\n\t\r")
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        print(flush=True)
        sys.exit(130)
