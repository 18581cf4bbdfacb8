"""A plan as a shell script that people can read and run elsewhere."""

import shlex
from collections.abc import Iterable, Iterator

from tunedoctor.model import plan as steps
from tunedoctor.model.plan import Install, Pin, Plan, Remove
from tunedoctor.render.formats.words import flat

MARK = "#!/bin/sh\n# doctor fix"


_NO_UV = (
    'command -v uv >/dev/null || { echo "uv is not installed: run pip install uv, or write the script with '
    'doctor fix --installer pip" >&2; exit 1; }'
)


def render_script(plan: Plan, python: str, prefix: str, tool: str) -> str:
    """Return a POSIX script; `python` is the target's interpreter, `prefix` its environment, `tool` pip or uv."""
    new = plan.new
    if new is not None:
        python, prefix = f"{new.path}/bin/python", new.path
    lines = _head(plan, python, prefix, tool)
    for step in plan.steps:
        match step:
            case steps.NewEnvironment():
                lines += ["", f'{shlex.quote(step.python or "python3")} -m venv "$prefix"']
            case steps.DeletePath():
                lines += ["", f'rm -rf -- "$prefix"/{shlex.quote(step.path)}']
            case Remove():
                names = " ".join(map(shlex.quote, step.names))
                yes = "-y " if tool == "pip" else ""
                lines += ["", f"{_tool(tool, 'uninstall')} {yes}{names}"]
            case Install():
                lines += ["", *_install(step, tool)]
            case steps.WriteFile():
                quoted = shlex.quote(step.text)
                place = f'"$prefix"/{shlex.quote(step.path)}'
                lines += ["", f'mkdir -p -- "$(dirname -- {place})"']
                lines += [f"printf %s {quoted} > {place}"]
            case steps.SetEnv():
                lines += ["", "# in the shell that starts the training:", *_commented(step.command)]
            case steps.Tell():
                lines += ["", f"# manual step ({step.who}): {flat(step.why)}"]
                lines += [*_commented(step.command)]
            case _:  # a rebuild is never written as a script: only doctor can undo it
                pass
    return "\n".join(lines) + "\n"


def _head(plan: Plan, python: str, prefix: str, tool: str) -> list[str]:
    lines = [f"{MARK}: {flat(', '.join(plan.cures) or 'a new environment')}"]
    lines += [f"# {flat(reason)}" for reason in plan.reasons]
    lines += [
        "# It changes the environment in place. doctor fix makes the same changes on a clone.",
        "set -eu",
    ]
    lines += [f"python={shlex.quote(python)}", f"prefix={shlex.quote(prefix)}"]
    if plan.new is None:
        lines += ['[ -x "$python" ] || { echo "no interpreter at $python" >&2; exit 1; }']
    if tool == "uv" and any(isinstance(step, (Install, Remove)) for step in plan.steps):
        lines += [_NO_UV]
    return lines


def _install(step: Install, tool: str) -> Iterator[str]:
    for words, pins in commands_of_step(step):
        names = [shlex.quote(pin.name) for pin in pins if pin.name in step.reinstall]
        again = "".join(f" --reinstall-package {name}" for name in names)
        again = again if tool == "uv" else " --force-reinstall" * bool(names)
        yield f"{_tool(tool, 'install')} {words}{again}{source_of(step, tool)} -r /dev/stdin <<'END'"
        yield from (*pin_lines(pins), "END")


def commands_of_step(step: Install) -> Iterator[tuple[str, list[Pin]]]:
    """Yield options and pins of each command; pins with hashes are separate and require them."""
    for words, hashed in ((" --require-hashes", True), ("", False)):
        if pins := [pin for pin in step.pins if bool(pin.hashes) is hashed]:
            yield f"--no-deps --only-binary :all:{words}", pins


def source_of(step: Install, tool: str) -> str:
    """Return the options that add an install's index to the default one."""
    more = "--index-strategy unsafe-best-match --index" if tool == "uv" else "--extra-index-url"
    return f" {more} {shlex.quote(step.index)}" if step.index else ""


def pin_lines(pins: Iterable[Pin]) -> list[str]:
    """Return the lines of a file of requirements."""
    # one line each, whatever a plug-in calls a package: the here-document ends at its own line
    return [
        flat(" ".join([pin.requirement, *(f"--hash={value}" for value in pin.hashes)]))
        for pin in pins
    ]


def _tool(tool: str, verb: str) -> str:
    return f'uv pip {verb} --python "$python"' if tool == "uv" else f'"$python" -m pip {verb}'


def _commented(text: str) -> list[str]:
    return [f"#   {line}" for line in text.splitlines()]
