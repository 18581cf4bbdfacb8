"""The parts that the doctor starts, each a process of its own."""

import json
import os
import sys
import time
from typing import Any, Dict, List

from ..deep.look import die_with_the_doctor
from . import options
from .lab import QUIET, Lab, choose_device, import_stages, shut_out
from .tell import Narrator, told


def main(argv: List[str]) -> None:
    """Run one part to its end; never returns."""
    asked = options.parsed(argv)
    os.environ.update(QUIET)
    if sys.platform.startswith("linux"):
        die_with_the_doctor()
    if asked.part == "reload":
        reload_part(asked)
    tell = Narrator(asked.seconds, int(os.environ.get("RANK", "0")) if asked.part == "ranks" else 0)
    if asked.part == "core":
        from .core import core

        core(tell, asked)
    elif asked.part == "bitsandbytes":
        from .quantised import quantised

        quantised(tell, asked)
    elif asked.part == "compile":
        from .compiling import compiling

        compiling(tell, asked)
    elif asked.part == "load":
        from .load import load

        load(tell, asked)
    else:
        from .ranks import ranks

        ranks(tell, asked)
    sys.stderr.flush()
    tell.leave()


def reload_part(asked: Any) -> None:
    """Be the fresh process: import, wait for the question on standard input, load, compute, answer."""
    stream = os.dup(1)
    os.dup2(2, 1)
    answer: Dict[str, Any] = {}
    try:
        answer = _reload(asked)
    except BaseException as error:
        answer = {"error": told(error).splitlines()[-1]}
    os.write(stream, json.dumps({"answer": answer}).encode("ascii") + b"\n")
    sys.stderr.flush()
    os._exit(0)


def _reload(asked: Any) -> Dict[str, Any]:
    from .mine import of_user, read_samples, tokens_of
    from .recipe import base, batch
    from .saving import logits

    lab = Lab(asked.device)
    shut_out()
    _import_all(lab)
    question = json.loads(sys.stdin.readline() or "{}")
    if not question:
        os._exit(0)
    began = time.perf_counter()
    lab.asked_device = question["device"]
    choose_device(lab, {})
    if asked.model:
        model, batches = of_user(lab, asked, *tokens_of(lab, asked, read_samples(asked, {}), {}))
    else:
        model, batches = base(lab), [batch(lab)]
    loaded = lab.peft.PeftModel.from_pretrained(model, question["folder"])
    lab.torch.save(logits(lab, loaded, batches[0]), os.path.join(question["folder"], "logits.pt"))
    return {"seconds": round(time.perf_counter() - began, 3)}


def _import_all(lab: Lab) -> None:
    class Silent(Narrator):
        """Stages of which nobody hears; what fails is raised."""

        def __init__(self) -> None:
            pass

        def stage(self, name: str, work: Any, why_not: str = "") -> bool:  # noqa: ARG002
            work({})
            return True

    import_stages(Silent(), lab)
