"""Tell of stages, with signs of life inside long ones, and of what is wrong in words and a short reason."""

import faulthandler
import os
import time
from typing import Any, Dict, List

from ..deep.telling import Missing, Teller, told

__all__ = ["Missing", "Narrator", "Wrong", "told", "wrong"]


class Wrong(Exception):  # noqa: N818  a verdict, not an error of the script
    """A stage ran and its result is wrong."""


def wrong(data: Dict[str, Any], reason: str, text: str) -> Wrong:
    """Note the reason (a word that the doctor's table of blame knows) and return what to raise."""
    data["reason"] = reason
    return Wrong(text)


class Narrator(Teller):
    """A Teller whose stages can show that they live."""

    def __init__(self, seconds: float, rank: int = 0) -> None:
        """Give each stage `seconds` between two signs of life; `rank` is that of torchrun."""
        super().__init__([], seconds)
        self.rank = rank
        self.began = time.perf_counter()

    def say(self, **line: Any) -> None:
        """Write one JSON line in one piece, with the rank where there are several."""
        if self.rank:
            line["rank"] = self.rank
        super().say(**line)

    def alive(self, **line: Any) -> None:
        """Tell of one step inside a stage; its time limit starts anew."""
        if self.seconds > 0:
            faulthandler.dump_traceback_later(self.seconds, file=self.stream)
        self.say(step=line)

    def leave(self) -> None:
        """End the process without the farewells of libraries, which take 0.3 s and can hang."""
        self.say(done=True)
        os._exit(0)


def shown(names: List[str], most: int = 3) -> str:
    """Return the first names, short, and how many more there are."""
    rest = len(names) - most
    # the same in front of all: base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight
    short = [n.replace("base_model.model.", "").replace(".default.weight", "") for n in names]
    return ", ".join(short[:most]) + (" and {} more".format(rest) if rest > 0 else "")
