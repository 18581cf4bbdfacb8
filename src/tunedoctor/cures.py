"""Commands for the target whose interpreter a pasted report does not name."""

from tunedoctor.facts import Interpreter, Unknown
from tunedoctor.wording import pip


def pip_command(interpreter: Interpreter | Unknown | None, *arguments: str) -> str:
    """Return a pip command for the target, or for "python" where no interpreter is known."""
    if not isinstance(interpreter, Interpreter):
        interpreter = Interpreter(executable="python", version="")
    return pip(interpreter, *arguments)


def pinned(requirements: dict[str, str]) -> tuple[str, ...]:
    """Return {"peft": ">=0.18.0", "requests": "*"} as pip takes it."""
    return tuple(name + ("" if spec == "*" else spec) for name, spec in requirements.items())
