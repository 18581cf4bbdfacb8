"""The commands that the shell starts belong to another interpreter.

What it means
    pip, accelerate and torchrun are scripts with an interpreter of their own in their first line. Where one of another
    environment comes first on PATH, packages go there, or the training runs there.

How it is found
    Each command is looked up on PATH, and its first line is read, while an environment is activated.

Cures
    Start them by the interpreter: python -m pip, python -m torch.distributed.run, python -m accelerate.commands.launch.

When to ignore it
    Where the other interpreter is meant.

Seen as
    ModuleNotFoundError: No module named 'torch'
    bad interpreter: No such file or directory
"""

from tunedoctor.api import (
    Finding,
    Interpreter,
    Launcher,
    Launchers,
    Packages,
    Target,
    Unknown,
    check,
    known,
    pip,
)

BRINGS = {
    "pip": "pip",
    "accelerate": "accelerate",
    "torchrun": "torch",
    "python": "",
}
MODULE = {
    "accelerate": "accelerate.commands.launch",
    "torchrun": "torch.distributed.run",
}


@check("wrong-interpreter", "A command belongs to another interpreter", "warning")
def wrong_interpreter(
    launchers: Launchers,
    target: Target,
    interpreter: Interpreter,
    packages: Packages | Unknown | None,
) -> Finding | None:
    """Only of an activated environment: there the user expects its commands."""
    if target.chosen_by not in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        return None
    there = known(packages)
    foreign = [
        one
        for one in launchers.launchers
        if one.name in BRINGS and not one.in_target and _expected(one, there)
    ]
    if not foreign:
        return None
    order = list(BRINGS)
    first = min(foreign, key=lambda one: order.index(one.name))
    starts = f", which starts {first.interpreter}" if first.interpreter else ""
    if first.name == "pip":
        cure, means = (
            pip(interpreter, "--version"),
            "pip install puts packages into another environment",
        )
    elif first.name == "python":
        cure, means = (
            interpreter.executable,
            "scripts run in another environment than the activated one",
        )
    else:
        cure = f"{interpreter.executable} -m {MODULE[first.name]} --help"
        means = f"{first.name} trains in another environment, without the packages of this one"
    return Finding(
        title=f"{first.name} belongs to another interpreter",
        found=f"{first.name} is {first.path}{starts}; the activated environment is {interpreter.prefix}",
        means=means,
        cure=cure,
        cure_note="use this form in place of the bare command; or activate the environment anew",
        evidence=tuple(one.path for one in foreign[:4]),
    )


def _expected(one: Launcher, packages: Packages | None) -> bool:
    """Tell a command that the target ought to bring itself; a venv without pip is common."""
    name = BRINGS[one.name]
    if not name or packages is None or not packages.complete:
        return True
    return packages.get(name) is not None
