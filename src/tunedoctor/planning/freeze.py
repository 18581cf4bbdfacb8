"""A requirements file with every pin and its hashes.

It is for the default index. Where torch comes from an index of its own, torch and what it brings stand in the
command of the file's head: one requirements file can't name an index for one package.
"""

from collections.abc import Callable

from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question, Solved
from tunedoctor.planning.change import brought_by_torch
from tunedoctor.planning.commands import GROUP, torch_pins
from tunedoctor.planning.make import Made

MARK = "# written by doctor set"
"""First words of the files that the doctor writes over without asking."""


def frozen(made: Made, name: str, resolve: Callable[[Question], Outcome]) -> str | Failed:
    """Return the text of the file `name`, or why its hashes could not be had."""
    found, torch = made.found, made.torch
    if found is None or torch is None:
        return Failed("uv", "there is no set to freeze")
    apart = {*GROUP, *brought_by_torch(found.pins)} if torch.index_url else set[str]()
    pins = tuple(f"{pin.name}=={pin.version}" for pin in found.pins if pin.name not in apart)
    answer = resolve(made.question._replace(requirements=pins, hashes=True, dependencies=False))
    if isinstance(answer, NoSolution):
        return Failed("uv", "the pins of the set are no longer on the index")
    if isinstance(answer, Failed):
        return answer
    return f"{_head(made, name)}{_plain(answer)}"


def _head(made: Made, name: str) -> str:
    answer, torch = made.answer, made.torch
    lines = [f"{MARK} for Python {answer.python}, {answer.platform}"]
    if torch is not None and torch.index_url:
        named = [one for one in answer.packages if one.name in GROUP]
        group = torch_pins(named, torch, made.labels)
        lines.append(f"#   pip install {' '.join(group)} --index-url {torch.index_url}")
        lines.append(f"#   pip install --require-hashes --no-deps -r {name}")
    else:
        lines.append(f"#   pip install --require-hashes -r {name}")
    return "\n".join(lines) + "\n"


def _plain(answer: Solved) -> str:
    """Return the pins and hashes without uv's remarks on who wants them."""
    kept = [line for line in answer.text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(line.partition("  # via")[0].rstrip() for line in kept) + "\n"
