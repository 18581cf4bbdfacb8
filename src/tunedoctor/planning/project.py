"""The set as a uv project: dependencies, and the PyTorch index named for torch alone."""

from tunedoctor.planning.commands import GROUP
from tunedoctor.planning.freeze import MARK
from tunedoctor.planning.make import Made
from tunedoctor.versions import parts


def project(made: Made) -> str:
    """Return a pyproject.toml; "" where there is no set.

    The index is explicit: uv takes from it what `sources` names and nothing else. The environment is limited to the
    machine's, since a lock for all systems fails where the build has no wheel for one.
    """
    answer, torch = made.answer, made.torch
    if torch is None:
        return ""
    low = ".".join(map(str, parts(answer.python)[:2])) or "3.11"
    shown = [one for one in answer.packages if one.named]
    lines = [
        f"{MARK}: uv sync installs it",
        "[project]",
        'name = "fine-tune"',
        'version = "0"',
        f'requires-python = "=={low}.*"',
        "dependencies = [",
        *(f'    "{one.name}=={one.version}{_label(made, one.name)}",' for one in shown),
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


def _label(made: Made, name: str) -> str:
    label = made.labels.get(name, "")
    return f"+{label}" if label else ""


def _environment(platform: str) -> str:
    """Return the marker of a platform of uv's, quoted for TOML."""
    arch, _, system = platform.partition("-")
    if "apple" in system:
        arch = "arm64" if arch == "aarch64" else arch
        return f"\"sys_platform == 'darwin' and platform_machine == '{arch}'\""
    if "windows" in system:
        arch = "AMD64" if arch == "x86_64" else "ARM64"
        return f"\"sys_platform == 'win32' and platform_machine == '{arch}'\""
    return f"\"sys_platform == 'linux' and platform_machine == '{arch}'\""
