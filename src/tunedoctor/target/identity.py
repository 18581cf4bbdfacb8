"""Say who this interpreter is: one line of JSON on standard output.

Runs in the target under -I -S (-E -s -S where -I is unknown); nothing of site-packages is imported.
Written so that Python 2.7 and every Python 3 can run it. What cannot be told is left out.
"""
# Type comments and percent signs, since Python 2.7 knows neither annotations nor f-strings.

import os
import sys

if False:  # for the type comments
    from typing import Any  # noqa: F401

LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}


def version():
    # type: () -> str
    """Return "3.12.7" or "3.15.0rc1"."""
    info = sys.version_info
    text = "%d.%d.%d" % tuple(info[:3])
    level = LEVELS.get(info[3])
    return text + level + str(info[4]) if level else text


def venv_of(executable):
    # type: (str) -> str | None
    """Return the folder whose pyvenv.cfg makes this a venv, or None."""
    here = os.path.dirname(os.path.abspath(executable)) if executable else ""
    for folder in (here, os.path.dirname(here)):
        if here and os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
            return folder
    return None


def basics():
    # type: () -> dict[str, Any]
    """Return what every Python can tell."""
    script = os.path.dirname(os.path.abspath(__file__))
    return {
        "executable": sys.executable or "",
        "version": version(),
        "implementation": (
            sys.implementation.name if hasattr(sys, "implementation") else "cpython"
        ),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "os": sys.platform,
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "stdlib": os.path.dirname(os.path.abspath(os.__file__)),
        "path": [p for p in sys.path if p and os.path.abspath(p) != script],
        "venv": venv_of(sys.executable),
        "uname": os.uname()[4] if os.name == "posix" else "",
    }


def build():
    # type: () -> dict[str, Any]
    """Return platform and ABI."""
    import sysconfig

    return {"platform": sysconfig.get_platform(), "soabi": extension().strip(".")}


def extension():
    # type: () -> str
    """Return the ABI part of an extension's file name: ".cpython-312-x86_64-linux-gnu"."""
    try:
        from importlib.machinery import EXTENSION_SUFFIXES
    except ImportError:
        return ""
    return os.path.splitext(EXTENSION_SUFFIXES[0])[0]


def sites(venv):
    # type: (str | None) -> dict[str, Any]
    """Return the site folders that a plain start would add, those of the venv apart."""
    import site

    base = [sys.base_prefix, sys.base_exec_prefix]
    if venv:
        # Debian names its folders by whether the two prefixes differ, as a plain start has them
        sys.prefix = sys.exec_prefix = venv
    return {
        "venv_site": site.getsitepackages([venv]) if venv else [],
        "base_site": site.getsitepackages(base),
        "user_site": site.getusersitepackages() or "",
    }


def main():
    # type: () -> None
    """Print the line."""
    import json

    told = basics()
    steps = (build,) if sys.version_info < (3, 3) else (build, lambda: sites(told["venv"]))
    for step in steps:
        try:
            told.update(step())
        except Exception as error:
            told.setdefault("errors", []).append("%s: %s" % (type(error).__name__, error))
    if sys.version_info < (3,):
        print(json.dumps(told))
    else:  # a path can hold bytes that are no text
        text = json.dumps(told, ensure_ascii=False) + "\n"
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
