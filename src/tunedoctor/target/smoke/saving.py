"""Save the adapters, read the file back, load it in a fresh process, merge, and generate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

from .. import reporting
from ..reporting import Wrong
from . import tiny
from .lab import NEEDED, Lab, choose_device, first_names, import_into, quiet
from .tiny import PAD, Batch, tokenizer

MERGE = 1e-3
"""Largest difference of logits that merging in float32 makes; 1e-4 was seen."""
PATIENCE = 120.0
"""Seconds for the fresh process, which started long before."""
PROMPT = 6
"""Tokens of a sentence that are given; the rest must come back."""


def logits(lab: Lab, model: Any, one: Batch) -> Any:
    """Return the logits of a batch, float32 on the CPU."""
    model.eval()
    with lab.torch.no_grad():
        return model(**one.inputs()).logits.float().cpu()


def save(lab: Lab, model: Any, folder: str, data: dict[str, Any]) -> None:
    """Save the adapters in peft's format, and check that the file contains what was in memory."""
    model.save_pretrained(folder)
    name = "adapter_model.safetensors"
    for one in (name, "adapter_config.json"):
        if not os.path.isfile(os.path.join(folder, one)):
            raise Wrong("file-missing", f"peft saved no {one}")
    file = os.path.join(folder, name)
    data["bytes"] = os.path.getsize(file)
    try:
        with lab.safetensors.safe_open(file, framework="pt") as opened:
            disk = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no dict
    except Exception as error:
        text = f"{name} of {data['bytes']} bytes can't be read back"
        raise Wrong("file-damaged", f"{text}: {type(error).__name__}: {error}") from None
    memory = {n: p.detach().cpu() for n, p in model.named_parameters() if "lora_" in n}
    # peft leaves out the name of the adapter: lora_A.default.weight is lora_A.weight
    wanted = {name.replace(".default.", "."): tensor for name, tensor in memory.items()}
    lost = sorted(set(wanted) - set(disk))
    if lost:
        text = f"{len(lost)} of {len(wanted)} adapters are not in the file: {first_names(lost)}"
        raise Wrong("file-damaged", text)
    other = [n for n, tensor in wanted.items() if not lab.torch.equal(tensor, disk[n])]
    if other:
        text = f"the file holds other numbers than the memory for {first_names(other)}"
        raise Wrong("file-damaged", text)


class Fresh:
    """A second process that imports at the same time as the first, then loads what that saved."""

    def __init__(self, arguments: list[str], folder: str) -> None:
        """Start it; its standard error goes to a file in `folder`."""
        self.errors = os.path.join(folder, "fresh.log")
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        argv = [sys.executable, os.path.join(here, "start.py"), "reload", *arguments]
        pipe = subprocess.PIPE
        with open(self.errors, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=log)  # noqa: S603  own script
        self.answer: dict[str, Any] | None = None

    def ask(self, question: dict[str, Any], alive: Any) -> dict[str, Any] | None:
        """Send one question and wait for the answer; None if none came."""
        thread = threading.Thread(target=self._talk, args=(question,), daemon=True)
        thread.start()
        ends = time.monotonic() + PATIENCE
        while thread.is_alive() and time.monotonic() < ends:
            thread.join(5.0)
            if thread.is_alive():
                alive(waits="fresh process")
        return self.answer

    def _talk(self, question: dict[str, Any]) -> None:
        try:
            out, _ = self.process.communicate(json.dumps(question).encode() + b"\n")
        except OSError:  # it is gone: no answer
            return
        for line in out.splitlines():
            if line.startswith(b'{"answer"'):
                self.answer = json.loads(line.decode())["answer"]

    def how(self) -> str:
        """Return how the process ended, with its last line of output."""
        code = self.process.poll()
        with open(self.errors, encoding="utf-8", errors="replace") as log:
            last = [line.strip() for line in log.read()[-4000:].splitlines() if line.strip()]
        end = "gave no answer" if code is None else f"ended with {code}"
        return end + (": " + last[-1] if last else "")


def fresh_part(tell: reporting.Teller, asked: Any) -> None:
    """Be the fresh process: import, wait for the question on standard input, load, compute, answer."""
    answer = {}
    try:
        _load(asked)
    except BaseException as error:
        answer = {"error": reporting.describe_error(error).splitlines()[-1]}
    tell.say(answer=answer)


def _load(asked: Any) -> None:
    lab = Lab(asked.device)
    quiet()
    for name in NEEDED:
        import_into(lab, name, {})
    question = json.loads(sys.stdin.readline() or "{}")
    if not question:
        return
    lab.asked_device = question["device"]
    choose_device(lab, {})
    if asked.model:
        rows, pad = tiny.tokens_of(lab, asked, tiny.read_samples(asked, {}))
        model, batches = tiny.of_user(lab, asked, rows, pad)
    else:
        model, batches = tiny.llama(lab), [tiny.batch(lab)]
    loaded = lab.peft.PeftModel.from_pretrained(model, question["folder"])
    found = logits(lab, loaded, batches[0])
    lab.torch.save(found, os.path.join(question["folder"], "logits.pt"))


def reload(  # noqa: PLR0913  what the two processes share
    lab: Lab, fresh: Fresh, folder: str, before: Any, answer: Any, data: dict[str, Any]
) -> None:
    """Compare the logits of the fresh process with those of this one, bit for bit."""
    if answer is None:
        raise Wrong("reload-died", "the fresh process " + fresh.how())
    if answer.get("error"):
        raise Wrong("reload-failed", "the fresh process says " + answer["error"])
    after = lab.torch.load(os.path.join(folder, "logits.pt"), weights_only=True)
    if after.shape != before.shape:
        text = f"shapes of logits: {tuple(before.shape)} saved, {tuple(after.shape)} loaded"
        raise Wrong("reload-differs", text)
    if not lab.torch.equal(after, before):
        data["difference"] = worst = float((after - before).abs().max())
        # another process on a GPU can choose another kernel: rounding, not a fault
        if lab.kind == "cpu" or not worst < MERGE * max(1.0, float(before.abs().max())):
            text = f"the loaded adapters give other logits: by {worst:.3g} at most"
            raise Wrong("reload-differs", text)
        data["note"] = f"logits differ by {worst:.1g}: rounding"


def merge(lab: Lab, model: Any, one: Batch, before: Any, data: dict[str, Any]) -> Any:
    """Merge the adapters into the base; the logits are the same within rounding."""
    merged = model.merge_and_unload()
    places = one.mask.bool().cpu()
    data["difference"] = worst = float((logits(lab, merged, one) - before)[places].abs().max())
    allowed = MERGE * max(1.0, float(before.abs().max()) / 100)
    if not worst <= allowed:
        text = f"merged weights give other logits: by {worst:.3g}, where {allowed:.1g} is rounding"
        raise Wrong("merge-differs", text)
    return merged


def generate(lab: Lab, model: Any, one: Batch, data: dict[str, Any]) -> None:
    """Continue the first tokens of each sentence, greedily: the sentence comes back."""
    decode = tokenizer(lab).decode
    prompts = lab.torch.tensor([row[:PROMPT] for row in one.rows], device=lab.device)
    with lab.torch.no_grad():
        found = model.generate(
            input_ids=prompts,
            attention_mask=lab.torch.ones_like(prompts),
            max_new_tokens=max(map(len, one.rows)) - PROMPT,
            do_sample=False,
            pad_token_id=PAD,
        ).tolist()
    right = [got[: len(row)] == row for got, row in zip(found, one.rows)]
    data["text"] = decode(found[0][1 : len(one.rows[0]) - 1])
    if not all(right):
        first = right.index(False)
        wanted, came = decode(one.rows[first][1:-1]), decode([t for t in found[first] if t > 2])
        text = f"{sum(right)} of {len(right)} sentences come back"
        raise Wrong("not-recited", f"{text}; for {wanted!r} came {came[:80]!r}")
