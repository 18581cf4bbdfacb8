"""Files of a set: a requirements file with every pin and its hashes, and a uv project.

The requirements file is for the default index. Where torch comes from an index of its own, torch and what it brings
stand in the command of the file's head: one requirements file can't name an index for one package.
"""

from collections.abc import Callable

from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question
from tunedoctor.planning.make import Made
from tunedoctor.planning.set_answer import Answer, Change
from tunedoctor.planning.steps import pinned
from tunedoctor.planning.wanted import GROUP
from tunedoctor.versions import parts

MARK = "# written by doctor set"
"""First words of the files that the doctor writes over without asking."""


def frozen(
    answer: Answer, made: Made, name: str, resolve: Callable[[Question], Outcome]
) -> str | Failed:
    """Return the text of the file `name`, or why its hashes could not be had."""
    every = made.found.pins
    if made.torch.index_url:
        every = tuple(pin for n, pin in made.pins.items() if n not in GROUP)
    pins = tuple(f"{pin.name}=={pin.version}" for pin in every)
    held = resolve(made.question._replace(requirements=pins, hashes=True, dependencies=False))
    if isinstance(held, NoSolution):
        return Failed("uv", "the pins of the set are no longer on the index")
    if isinstance(held, Failed):
        return held
    return f"{_head(answer, made, name)}{held.text}"


def _head(answer: Answer, made: Made, name: str) -> str:
    torch = made.torch
    lines = [f"{MARK} for Python {answer.python}, {answer.platform}"]
    if torch.index_url:
        group = [_pin(one, made) for one in answer.packages if one.name in GROUP]
        lines.append(f"#   pip install {' '.join(group)} --index-url {torch.index_url}")
        lines.append(f"#   pip install --require-hashes --no-deps -r {name}")
    else:
        lines.append(f"#   pip install --require-hashes -r {name}")
    return "\n".join(lines) + "\n"


def _pin(one: Change, made: Made) -> str:
    return f"{one.name}=={pinned(one.name, one.version, made.labels)}"


def project(answer: Answer, made: Made) -> str:
    """Return a pyproject.toml.

    The index is explicit: uv takes from it what `sources` names and nothing else. The environment is limited to the
    machine's, since a lock for all systems fails where the build has no wheel for one.
    """
    torch = made.torch
    low = ".".join(map(str, parts(answer.python)[:2])) or "3.11"
    shown = [one for one in answer.packages if one.named]
    lines = [
        f"{MARK}: uv sync installs it",
        "[project]",
        'name = "fine-tune"',
        'version = "0"',
        f'requires-python = "=={low}.*"',
        "dependencies = [",
        *(f'    "{_pin(one, made)}",' for one in shown),
        "]",
        "",
        "[tool.uv]",
        "package = false",
        f"environments = [{_environment(answer.platform)}]",
    ]
    if torch.index_url:
        named = [one.name for one in shown if one.name in GROUP]
        lines += ["", "[tool.uv.sources]"]
        lines += [f'{name} = {{ index = "pytorch" }}' for name in named]
        lines += [
            *("", "[[tool.uv.index]]", 'name = "pytorch"', f'url = "{torch.index_url}"'),
            "explicit = true",
        ]
    return "\n".join(lines) + "\n"


def _environment(platform: str) -> str:
    """Return the marker of a platform of uv's, quoted for TOML."""
    arch, _, rest = platform.partition("-")
    system = "darwin" if "apple" in rest else "win32" if "windows" in rest else "linux"
    named = {"darwin": {"aarch64": "arm64"}, "win32": {"x86_64": "AMD64", "aarch64": "ARM64"}}
    arch = named.get(system, {}).get(arch, arch)
    return f"\"sys_platform == '{system}' and platform_machine == '{arch}'\""
