"""Set variables in an environment: a marked block at the end of its activation scripts, or conda's own file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunedoctor.reading import read_regular
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.clone import replace

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST = 1 << 20
"""Bytes of conda's own file."""
_BEGIN, _END = "# >>> doctor fix >>>", "# <<< doctor fix <<<"
_BLOCK = re.compile(re.escape(_BEGIN) + r"\r?\n(.*?)" + re.escape(_END) + r"\r?\n?", re.DOTALL)
_FORMS = {
    "activate": ("export {}='{}'", "unset {}", {"'": "'\\''"}),
    "activate.csh": ("setenv {} '{}'", "unsetenv {}", {"'": "'\\''", "!": "\\!"}),
    "activate.fish": ("set -gx {} '{}'", "set -e {}", {"\\": "\\\\", "'": "\\'"}),
    "activate.ps1": (
        "$Env:{} = '{}'",
        "Remove-Item Env:{} -ErrorAction SilentlyContinue",
        {"'": "''"},
    ),
}
"""Script, in small letters -> how it sets a variable, how it takes one away, what it writes for characters in quotes.

activate.bat is left out: cmd has no comment at the end of a line; PowerShell is what Windows starts.
"""


def set_variables(scripts: Path, wanted: Mapping[str, str | None]) -> None:
    """Write variables into the activation scripts of a venv, None: unset; those set by an earlier fix stay.

    `deactivate` leaves them set, as with all that activation scripts of their own users set.

    Raises:
        FailureError: a name is none, a value holds a line break, or there is no activation script.
        OSError: a script cannot be written.
    """
    _check(wanted)
    found = [p for p in scripts.glob("[aA]ctivate*") if p.name.lower() in _FORMS and p.is_file()]
    if not found:
        msg = f"there is no activation script in {scripts}"
        raise FailureError(msg)
    for path in found:
        to_set, to_unset, escapes = _FORMS[path.name.lower()]
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        old = _BLOCK.search(text)
        lines = {
            line.rpartition("# ")[2].strip(): line for line in (old[1] if old else "").splitlines()
        }
        for name, value in wanted.items():
            quoted = "".join(escapes.get(one, one) for one in value or "")
            line = to_unset.format(name) if value is None else to_set.format(name, quoted)
            lines[name] = f"{line}  # {name}"
        end = "" if text.endswith("\n") else "\n"
        block = "\n".join([_BEGIN, *lines.values(), _END, ""])
        whole = _BLOCK.sub("", text) + end + block
        replace(path, whole.encode("utf-8", "surrogateescape"))


def set_conda(path: Path, wanted: Mapping[str, str | None]) -> None:
    """Write the variables where `conda env config vars set` keeps them: `path` is conda-meta/state.

    Raises:
        FailureError: a name is none, or the file holds something else.
        OSError: it cannot be written.
    """
    _check(wanted)
    try:
        held: Any = json.loads(read_regular(path, _LARGEST)) if path.exists() else {}
        variables = held.setdefault("env_vars", {})
        # conda's own word for a variable that activation takes away
        variables |= {k: "***unset***" if v is None else v for k, v in wanted.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        msg = f"{path} is not what conda writes"
        raise FailureError(msg) from None
    replace(path, json.dumps(held).encode())


def _check(wanted: Mapping[str, str | None]) -> None:
    for name, value in wanted.items():
        if not _NAME.fullmatch(name):
            msg = f"{name!r} is no name of a variable"
            raise FailureError(msg)
        if value is not None and any(ord(char) < 32 for char in value):
            msg = f"the value of {name} holds a control character"
            raise FailureError(msg)
