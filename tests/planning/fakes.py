"""A resolver and an index that answer from a small table."""

from collections.abc import Mapping

import msgspec

from tunedoctor.installers.uv import Outcome, Pin, Question, Solved
from tunedoctor.plan import Install
from tunedoctor.plan import Pin as Planned
from tunedoctor.planning.ask import Ask

BRINGS = {
    "cu128": ("nvidia-cudnn-cu12==9.10.2.21", "nvidia-nccl-cu12==2.27.5", "triton==3.5.1"),
    "cu126": ("nvidia-cudnn-cu12==9.10.2.21", "nvidia-nccl-cu12==2.27.5", "triton==3.5.1"),
    "cpu": (),
}
"""Variant -> what torch of it brings from its index."""


def ask(versions: Mapping[str, str] | None = None, sizes: int = 1000) -> Ask:
    """Return answers: what is installed stays, unless `versions` names another or a bound excludes it."""
    known = dict(versions or {})

    def resolve(question: Question) -> Outcome:
        lines = [*question.requirements]
        pins: dict[str, str] = dict(one.split("==") for one in question.preferred if "==" in one)
        for line in lines:
            name = line.split("=")[0].split(">")[0].split("<")[0].split("!")[0]
            if "==" in line:
                pins[name] = line.split("==")[1].split(",")[0]
            pins[name] = known.get(name, pins.get(name, "1.0"))
        return Solved(tuple(Pin(name, version) for name, version in pins.items()), "")

    def look_up(install: Install, python: str, installed: Mapping[str, str]) -> Install:
        del python
        pins = list(install.pins)
        torch = next((p for p in pins if p.name == "torch"), None)
        if torch is not None and not install.no_deps:
            for line in BRINGS[install.index.rpartition("/")[2] or "cpu"]:
                name, version = line.split("==")
                if installed.get(name) != version:
                    pins.append(Planned(name=name, version=version))
            pins.append(Planned(name="sympy", version="1.14.0"))
        held = (msgspec.structs.replace(p, hashes=(f"sha256:{p.name}",)) for p in pins)
        return msgspec.structs.replace(install, pins=tuple(held), no_deps=True)

    return Ask(resolve, look_up, lambda install, _: {p.name: sizes for p in install.pins})
