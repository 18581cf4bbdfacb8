"""Save the adapters, read the file back, load it in a fresh process, merge, and generate."""

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional

from .lab import Lab
from .recipe import PAD, PROMPT, Batch
from .tell import shown, wrong

MERGE = 1e-3
"""Largest difference of logits that merging in float32 makes; 1e-4 was seen."""
PATIENCE = 120.0
"""Seconds for the fresh process, which started long before."""


def logits(lab: Lab, model: Any, one: Batch) -> Any:
    """Return the logits of a batch, float32 on the CPU."""
    model.eval()
    with lab.torch.no_grad():
        return model(**one.inputs()).logits.float().cpu()


def save(lab: Lab, model: Any, folder: str, data: Dict[str, Any]) -> None:
    """Save the adapters in peft's format; what lies on the disk is what was in memory."""
    model.save_pretrained(folder)
    file = os.path.join(folder, "adapter_model.safetensors")
    for name in (file, os.path.join(folder, "adapter_config.json")):
        if not os.path.isfile(name):
            raise wrong(data, "file-missing", "peft saved no {}".format(os.path.basename(name)))
    data["bytes"] = os.path.getsize(file)
    memory = {n: p.detach().cpu() for n, p in model.named_parameters() if "lora_" in n}
    try:
        with lab.safetensors.safe_open(file, framework="pt") as opened:
            disk = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no dict
    except Exception as error:
        text = "{} of {} bytes can't be read back: {}: {}".format(
            os.path.basename(file), data["bytes"], type(error).__name__, error
        )
        raise wrong(data, "file-damaged", text) from None
    # peft leaves out the name of the adapter: lora_A.default.weight is lora_A.weight
    wanted = {name.replace(".default.", "."): tensor for name, tensor in memory.items()}
    lost = sorted(set(wanted) - set(disk))
    if lost:
        text = "{} of {} adapters are not in the file: {}".format(
            len(lost), len(wanted), shown(lost)
        )
        raise wrong(data, "file-damaged", text)
    other = [n for n, tensor in wanted.items() if not lab.torch.equal(tensor, disk[n])]
    if other:
        text = "the file holds other numbers than the memory for {}".format(shown(other))
        raise wrong(data, "file-damaged", text)


class Fresh:
    """A second process that imports beside the first, then loads what that saved."""

    def __init__(self, arguments: List[str], folder: str) -> None:
        """Start it; its standard error goes to a file in `folder`."""
        self.errors = os.path.join(folder, "fresh.log")
        script = os.path.join(
            os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run_smoke.py"
        )
        with open(self.errors, "wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  this interpreter and script
                [sys.executable, script, "reload", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.answer: Optional[Dict[str, Any]] = None

    def stop(self) -> None:
        """End it."""
        self.process.kill()

    def ask(self, question: Dict[str, Any], alive: Any) -> Optional[Dict[str, Any]]:
        """Send one question and wait for the answer; None where none came."""
        thread = threading.Thread(target=self._talk, args=(question,), daemon=True)
        thread.start()
        ends = time.monotonic() + PATIENCE
        while thread.is_alive() and time.monotonic() < ends:
            thread.join(5.0)
            if thread.is_alive():
                alive(waits="fresh process")
        return self.answer

    def _talk(self, question: Dict[str, Any]) -> None:
        try:
            out, _ = self.process.communicate(json.dumps(question).encode() + b"\n")
        except OSError:  # it is gone: no answer
            return
        for line in out.splitlines():
            if line.startswith(b'{"answer"'):
                self.answer = json.loads(line.decode())["answer"]

    def how(self) -> str:
        """Tell how it ended, and its last words."""
        code = self.process.poll()
        with open(self.errors, encoding="utf-8", errors="replace") as log:
            last = [line.strip() for line in log.read()[-4000:].splitlines() if line.strip()]
        end = "gave no answer" if code is None else "ended with {}".format(code)
        return end + (": " + last[-1] if last else "")


def reload(  # noqa: PLR0913  what the two processes share
    lab: Lab, fresh: Fresh, folder: str, before: Any, data: Dict[str, Any], alive: Any
) -> None:
    """Load the adapters in the fresh process: the logits are those of this one, bit for bit."""
    answer = fresh.ask({"folder": folder, "device": lab.device}, alive)
    if answer is None:
        raise wrong(data, "reload-died", "the fresh process " + fresh.how())
    if answer.get("error"):
        raise wrong(data, "reload-failed", "the fresh process says " + answer["error"])
    after = lab.torch.load(os.path.join(folder, "logits.pt"), weights_only=True)
    data["seconds"] = answer.get("seconds")
    if after.shape != before.shape:
        text = "shapes of logits: {} saved, {} loaded".format(
            tuple(before.shape), tuple(after.shape)
        )
        raise wrong(data, "reload-differs", text)
    if not lab.torch.equal(after, before):
        worst = float((after - before).abs().max())
        data["difference"] = worst
        # another process on a GPU can choose another kernel: rounding, not a fault
        if lab.kind == "cpu" or not worst < MERGE * max(1.0, float(before.abs().max())):
            text = "the loaded adapters give other logits: by {:.3g} at most".format(worst)
            raise wrong(data, "reload-differs", text)
        data["note"] = "logits differ by {:.1g}: rounding".format(worst)


def merge(lab: Lab, model: Any, one: Batch, before: Any, data: Dict[str, Any]) -> Any:
    """Merge the adapters into the base; the logits are the same within rounding."""
    merged = model.merge_and_unload()
    after = logits(lab, merged, one)
    places = one.mask.bool().cpu()
    worst = float((after - before)[places].abs().max())
    data["difference"] = worst
    allowed = MERGE * max(1.0, float(before.abs().max()) / 100)
    if not worst <= allowed:
        text = "merged weights give other logits: by {:.3g}, where {:.1g} is rounding".format(
            worst, allowed
        )
        raise wrong(data, "merge-differs", text)
    return merged


def generate(lab: Lab, model: Any, one: Batch, decode: Any, data: Dict[str, Any]) -> None:
    """Continue the first tokens of each sentence, greedily: the sentence comes back."""
    prompts = lab.torch.tensor([row[:PROMPT] for row in one.rows], device=lab.device)
    longest = max(map(len, one.rows)) - PROMPT
    with lab.torch.no_grad():
        found = model.generate(
            input_ids=prompts,
            attention_mask=lab.torch.ones_like(prompts),
            max_new_tokens=longest,
            do_sample=False,
            pad_token_id=PAD,
        ).tolist()
    right = [got[: len(row)] == row for got, row in zip(found, one.rows)]  # noqa: B905
    data["text"] = decode(found[0][1 : len(one.rows[0]) - 1])
    if not all(right):
        first = right.index(False)
        text = "{} of {} sentences come back; for {!r} came {!r}".format(
            sum(right),
            len(right),
            decode(one.rows[first][1:-1]),
            decode([t for t in found[first] if t > 2])[:80],
        )
        raise wrong(data, "not-recited", text)
