"""Set variables in an environment: a marked block at the end of its activation scripts, or conda's own file."""

import json
import re
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from tunedoctor.plan import SetEnv
from tunedoctor.transaction.relocate import replace

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEGIN, _END = "# >>> doctor fix >>>", "# <<< doctor fix <<<"
_BLOCK = re.compile(re.escape(_BEGIN) + r"\r?\n(.*?)" + re.escape(_END) + r"\r?\n?", re.DOTALL)


class VariableError(ValueError):
    """A variable cannot be set; the message says why."""


def set_variables(scripts: Path, steps: Iterable[SetEnv]) -> None:
    """Write the variables into the activation scripts of a venv; those set by an earlier fix stay.

    `deactivate` leaves them set, as with all that activation scripts of their own users set.

    Raises:
        VariableError: a name is none, a value holds a line break, or there is no activation script.
        OSError: a script cannot be written.
    """
    wanted = {s.name: s.value for s in steps}
    if not wanted:
        return
    for name, value in wanted.items():
        _check(name, value)
    found = [(scripts / name, form) for name, form in _FORMS.items() if (scripts / name).is_file()]
    if not found:
        msg = f"there is no activation script in {scripts}"
        raise VariableError(msg)
    for path, form in found:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        old = _BLOCK.search(text)
        lines = {_named(line): line for line in (old[1].splitlines() if old else ())}
        lines |= {name: form(name, value) + f"  # {name}" for name, value in wanted.items()}
        end = "" if text.endswith("\n") else "\n"
        body = _BLOCK.sub("", text) + end
        block = "\n".join([_BEGIN, *lines.values(), _END, ""])
        mode = stat.S_IMODE(path.stat().st_mode)
        replace(path, (body + block).encode("utf-8", "surrogateescape"), mode)


def set_conda(path: Path, steps: Iterable[SetEnv]) -> None:
    """Write the variables where `conda env config vars set` keeps them: `path` is conda-meta/state.

    Raises:
        VariableError: a name is none, or the file holds something else.
        OSError: it cannot be written.
    """
    wanted = {s.name: s.value for s in steps}
    if not wanted:
        return
    for name, value in wanted.items():
        _check(name, value)
    state = _state(path)
    held = state.setdefault("env_vars", {})
    if not isinstance(held, dict):
        msg = f"{path} holds no variables"
        raise VariableError(msg)
    # conda's own word for a variable that activation takes away
    held |= {name: "***unset***" if value is None else value for name, value in wanted.items()}
    replace(path, json.dumps(state).encode())


def _state(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        msg = f"{path} is not what conda writes"
        raise VariableError(msg)
    return {str(key): value for key, value in found.items()}


def _check(name: str, value: str | None) -> None:
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name of a variable"
        raise VariableError(msg)
    if value is not None and any(ord(char) < 32 for char in value):
        msg = f"the value of {name} holds a control character"
        raise VariableError(msg)


def _posix(name: str, value: str | None) -> str:
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"


def _csh(name: str, value: str | None) -> str:
    quoted = shlex.quote(value or "").replace("!", "\\!")
    return f"unsetenv {name}" if value is None else f"setenv {name} {quoted}"


def _fish(name: str, value: str | None) -> str:
    quoted = (value or "").replace("\\", "\\\\").replace("'", "\\'")
    return f"set -e {name}" if value is None else f"set -gx {name} '{quoted}'"


def _powershell(name: str, value: str | None) -> str:
    quoted = (value or "").replace("'", "''")
    if value is None:
        return f"Remove-Item Env:{name} -ErrorAction SilentlyContinue"
    return f"$Env:{name} = '{quoted}'"


_FORMS = {
    "activate": _posix,
    "activate.csh": _csh,
    "activate.fish": _fish,
    "Activate.ps1": _powershell,
    "activate.ps1": _powershell,
}
"""activate.bat is left out: cmd has no comment at the end of a line; PowerShell is what Windows starts."""


def _named(line: str) -> str:
    return line.rpartition("# ")[2].strip()
