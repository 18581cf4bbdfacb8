"""Ask a model: `python chat.py JSON`, with model, adapter, prompt, compare, max_tokens, temperature and system."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from loading import fail, load  # type: ignore[import-not-found]


class Printer:
    """Shows the tokens of an answer as they come; what generate() calls a streamer."""

    def __init__(self, tokenizer: Any) -> None:
        """Begin with nothing shown."""
        self.tokenizer, self.ids, self.shown = tokenizer, [], ""
        self.is_prompt = True

    def put(self, value: Any) -> None:
        """Take the prompt first, then each token; half a character waits for its rest."""
        if not self.is_prompt:
            self.ids += value.reshape(-1).tolist()
            self._show(self.tokenizer.decode(self.ids, skip_special_tokens=True).rstrip("\ufffd"))
        self.is_prompt = False

    def end(self) -> None:
        """Show what waited, and end the line."""
        self._show(self.tokenizer.decode(self.ids, skip_special_tokens=True))
        print(flush=True)

    def _show(self, text: str) -> None:
        text = text.lstrip() if not self.shown else text
        print(text[len(self.shown) :], end="", flush=True)
        self.shown = text


class Talk:
    """A conversation with one model."""

    def __init__(self, told: dict[str, Any]) -> None:
        """Load what is asked."""
        self.told = told
        self.tokenizer, self.model = load(told["model"], told["adapter"], exact=False)
        self.turns: list[dict[str, str]] = []
        if told["system"]:
            self.turns.append({"role": "system", "content": told["system"]})
        if told["system"] and not self.tokenizer.chat_template:
            fail("the model has no chat template, so no system prompt", "leave --system out")

    def ids(self, question: str) -> Any:
        """Return the tokens of the conversation with one more question."""
        turns, more = [*self.turns, {"role": "user", "content": question}], {}
        if self.tokenizer.chat_template:
            try:
                render = self.tokenizer.apply_chat_template
                question = render(turns, tokenize=False, add_generation_prompt=True)
            except Exception as error:
                fail(f"the chat template refuses it: {error!r:.200}", "leave --system out")
            more["add_special_tokens"] = False
        found = self.tokenizer(question, **more)["input_ids"]
        is_ended = not more and found[-1:] == [self.tokenizer.eos_token_id]
        return found[:-1] if is_ended else found

    def answer(self, question: str) -> str:
        """Show an answer as it comes, and return it; Ctrl-C ends all."""
        import torch

        ids = torch.tensor([self.ids(question)], device=self.model.device)
        warm, printer = self.told["temperature"], Printer(self.tokenizer)
        how: dict[str, Any] = {"do_sample": warm > 0, "max_new_tokens": self.told["max_tokens"]}
        how.update(
            {"temperature": warm} if warm else {"temperature": None, "top_p": None, "top_k": None}
        )
        ends = {self.model.generation_config.eos_token_id, self.tokenizer.eos_token_id}
        ends = {one for some in ends for one in (some if isinstance(some, list) else [some])}
        how["eos_token_id"] = sorted(one for one in ends if one is not None) or None
        how["pad_token_id"] = self.tokenizer.eos_token_id
        with torch.no_grad():
            self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), streamer=printer, **how
            )
        return printer.shown

    def ask(self, question: str) -> None:
        """Show the answer, of the base and of the adapter where both are wanted."""
        if self.told["compare"]:
            print("base:", flush=True)
            with self.model.disable_adapter():
                self.answer(question)
            print("\nadapter:", flush=True)
        said = self.answer(question)
        self.turns += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": said},
        ]


def main(told: dict[str, Any]) -> int:
    """Answer one question, or all that are typed."""
    if not told["prompt"]:
        print(f"loading {told['adapter'] or told['model']}", file=sys.stderr, flush=True)
    talk = Talk(told)
    if told["prompt"]:
        talk.ask(told["prompt"])
        return 0
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  arrow keys
    print("/quit, Ctrl-D or Ctrl-C ends it", file=sys.stderr, flush=True)
    while True:
        try:
            question = input("> ").strip()
        except EOFError:
            print(flush=True)
            return 0
        if question == "/quit":
            return 0
        if question:
            talk.ask(question)


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        print(flush=True)
        sys.exit(130)
