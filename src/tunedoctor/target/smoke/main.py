"""The parts that the doctor starts, each a process of its own."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from typing import Any, NoReturn

from ..deep.telling import Teller, die_with_the_doctor, told
from .lab import NEEDED, QUIET, Lab, choose_device, import_into, shut_out

PARTS = {
    "core": "core.core",
    "bitsandbytes": "extras.quantised",
    "compile": "extras.compiling",
    "ranks": "ranks.ranks",
    "load": "load.load",
    "reload": "",
}


def main() -> NoReturn:
    """Run one part to its end; the doctor wrote the arguments, so that mistakes are the doctor's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of a silent stage")
    parser.add_argument("--device", default="", help="as torch calls it; empty: the best there is")
    parser.add_argument("--scratch", default="", help="an empty folder for what is saved")
    parser.add_argument("--model", default="", help="folder of the user's model")
    parser.add_argument("--data", default="", help="the user's text: .jsonl, .csv or plain")
    parser.add_argument("--steps", type=int, default=0, help="of the user's model")
    parser.add_argument("--length", type=int, default=512, help="longest sample of --data, tokens")
    parser.add_argument("--minutes", type=float, default=10.0, help="of load")
    asked = parser.parse_args()
    os.environ.update(QUIET)
    if asked.part == "reload":
        reload_part(asked)
    rank = int(os.environ.get("RANK", "0")) if asked.part == "ranks" else 0
    tell = Teller(asked.seconds, rank=rank)
    module, _, name = PARTS[asked.part].partition(".")
    getattr(importlib.import_module("." + module, __package__), name)(tell, asked)
    tell.leave()


def reload_part(asked: Any) -> NoReturn:
    """Be the fresh process: import, wait for the question on standard input, load, compute, answer."""
    die_with_the_doctor()
    stream = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = _reload(asked)
    except BaseException as error:
        answer = {"error": told(error).splitlines()[-1]}
    os.write(stream, json.dumps({"answer": answer}).encode("ascii") + b"\n")
    sys.stderr.flush()
    os._exit(0)


def _reload(asked: Any) -> dict[str, Any]:
    from . import mine, saving, tiny

    lab = Lab(asked.device)
    shut_out()
    for name in NEEDED:
        import_into(lab, name, {})
    question = json.loads(sys.stdin.readline() or "{}")
    if not question:
        os._exit(0)
    began = time.perf_counter()
    lab.asked_device = question["device"]
    choose_device(lab, {})
    if asked.model:
        rows, pad = mine.tokens_of(lab, asked, mine.read_samples(asked, {}))
        model, batches = mine.of_user(lab, asked, rows, pad)
    else:
        model, batches = tiny.llama(lab), [tiny.batch(lab)]
    loaded = lab.peft.PeftModel.from_pretrained(model, question["folder"])
    logits = saving.logits(lab, loaded, batches[0])
    lab.torch.save(logits, os.path.join(question["folder"], "logits.pt"))
    return {"seconds": round(time.perf_counter() - began, 3)}
