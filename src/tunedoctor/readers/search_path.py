"""Where Python looks for modules, as it prints it: `sys.path` on one line, or as `python -m site` has it."""

from collections.abc import Sequence

from tunedoctor.facts import Fact, Interpreter
from tunedoctor.lazy import pattern
from tunedoctor.readers.paths import kind_of

_LONGEST = 4000
_FURTHEST = 60
"""Lines of a list that is printed one entry a line."""
_ENTRY = pattern(r"(?<!\w)['\"]((?:[/~]|[A-Za-z]:[\\/]|)[^'\"\n]{0,300})['\"]")
_ONE_LINE = pattern(r"^\W{0,12}\[\s?['\"]")
_BEGINS = pattern(r"^\s{0,8}sys\.path = \[\s*$")
_VERSION = pattern(r"[/\\][Pp]ython(3\.?\d{1,2})[/\\](?:lib|Lib|site-packages|dist-packages)")
_PACKAGES = ("site-packages", "dist-packages")


def read(lines: list[str]) -> list[Fact]:
    """Return an Interpreter with the first list of folders that holds two of packages; nothing where none does."""
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        if "packages" in line and _ONE_LINE.match(line):
            found = _folders([line])
        elif "sys.path = [" in line and _BEGINS.match(line):
            found = _folders(_until_it_ends(lines[number + 1 : number + 1 + _FURTHEST]))
        else:
            continue
        version = next((v for folder in found if (v := _VERSION.search(folder))), None)
        if version and sum(folder.endswith(_PACKAGES) for folder in found) > 1:
            dotted = version[1] if "." in version[1] else f"{version[1][0]}.{version[1][1:]}"
            return [Interpreter(executable="", version=dotted, kind=kind_of(found[-1]), path=found)]
    return []


def _folders(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(one[1].replace("\\\\", "\\") for line in lines for one in _ENTRY.finditer(line))


def _until_it_ends(lines: Sequence[str]) -> list[str]:
    end = next((at for at, line in enumerate(lines) if line.strip() == "]"), 0)
    return [line[:_LONGEST] for line in lines[:end]]
