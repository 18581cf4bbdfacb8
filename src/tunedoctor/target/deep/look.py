"""Run the stack inside the target, stage by stage.

Called as `python start.py deep.look [--skip STAGE]... [--also MODULE]... [--seconds N] [--imports] [--compile]`;
--imports: nothing that starts a GPU. Uses the standard library, the table of imports and the tested
packages alone; Python 3.8 and newer. A private copy of standard output carries one
JSON line before a stage and one after it, so that a hang or a crash still tells where; whatever
else prints goes to standard error. On a crash, or after N seconds in one stage, faulthandler writes
where Python stands to the same private stream, as lines that are not JSON.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import Any

from .device import attention, compiled, device_name, init_gpu, kind_of, run_device
from .telling import Teller, attempt, installed, reach, text_of

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(os.path.dirname(_OWN), "tables", "imports.json")
MOST_STRAYS = 200
LARGEST = 1 << 20
"""Bytes of a .pth file that are read."""


def import_module(module: str) -> None:
    """Import a module.

    Raises:
        ImportError: it is an empty folder; or whatever the import raises.
    """
    found = importlib.import_module(module)
    spec = getattr(found, "__spec__", None)
    if getattr(found, "__file__", None) is None and getattr(spec, "origin", None) is None:
        where = ", ".join(map(str, getattr(found, "__path__", [])))
        raise ImportError(f"{module} is a folder without __init__.py: {where}", name=module)


def build(torch: Any, data: dict[str, Any]) -> None:
    """Note what torch says it is."""
    data["version"] = text_of(torch, "__version__")
    data["file"] = text_of(torch, "__file__")
    for name in ("cuda", "hip", "xpu"):
        data[name] = text_of(torch, "version." + name)
    # not get_arch_list: that asks the driver first, which can hang
    flags = attempt(torch, "_C._cuda_getArchFlags")
    data["archs"] = flags.split() if isinstance(flags, str) else []


def bridge(torch: Any) -> None:
    """Take an array from NumPy to torch and back."""
    numpy = importlib.import_module("numpy")
    back = reach(torch, "from_numpy")(numpy.ones(3)).numpy()
    if float(back.sum()) != 3.0:
        raise ValueError(f"torch.from_numpy(ones(3)).numpy() gave {back!r}")


def tensor(torch: Any) -> None:
    """Compute a product and its gradient on the CPU."""
    weight = reach(torch, "ones")(8, 8, requires_grad=True)
    (reach(torch, "ones")(8, 8) @ weight).sum().backward()
    if float(weight.grad.sum()) != 512.0:
        raise ValueError(f"the gradient of a product of ones is {weight.grad!r}")


def lazy(module: str, paths: list[str]) -> None:
    """Touch names that a library loads late.

    Raises:
        AttributeError: a name is not there; or whatever the loading raises.
    """
    library = sys.modules[module]
    for path in paths:
        found: Any = library
        for name in path.split("."):
            found = getattr(found, name)


def run_torch(tell: Teller) -> bool:
    """Stages around torch; False where it can't be imported."""
    has_numpy = installed("numpy") and tell.stage("import numpy", lambda _: import_module("numpy"))
    imports = "--imports" in sys.argv
    if imports and not installed("torch"):
        return False
    if not tell.stage("import torch", lambda _: import_module("torch")):
        return False
    torch = sys.modules["torch"]
    tell.stage("torch build", lambda data: build(torch, data))
    if has_numpy:
        tell.stage("numpy bridge", lambda _: bridge(torch))
    tell.stage("tensor", lambda _: tensor(torch))
    if imports:
        return True
    kind = kind_of(torch)
    state: dict[str, Any] = {}

    def start(data: dict[str, Any]) -> None:
        init_gpu(torch, kind, data)
        state.update(data)

    ready = tell.stage("init gpu", start) and bool(state.get("available"))
    devices: list[str] = []
    for index in range(min(int(state.get("count", 0)), 64) if ready else 0):
        run_device(tell, torch, str(state["kind"]), index)
        devices.append(device_name(str(state["kind"]), index))
    place = devices[0] if devices else "cpu"
    tell.stage("attention " + place, lambda data: attention(torch, place, data))
    if "--compile" in sys.argv:
        tell.stage("compile", lambda _: compiled(torch, place))
    return True


def run_libraries(tell: Teller, also: list[str], *, torch: bool) -> set[str]:
    """Import what is installed of the stack, then the modules of `also`; return the names of all."""
    with open(TABLE, encoding="utf-8") as file:
        stack = json.load(file)["stack"]
    known = {"numpy", "torch", *(one["module"] for one in stack)}
    for one in (*stack, *({"module": name} for name in also if name not in known)):
        module = one["module"]
        if not installed(module):
            continue
        why_not = "" if torch or one.get("torch") is not True else "import torch failed"
        good = tell.stage("import " + module, lambda _, m=module: import_module(m), why_not)  # type: ignore[misc]
        for name, paths in one.get("late", {}).items():
            if not torch and one.get("torch"):
                why_not = "import torch failed"
            elif not good:
                why_not = "import " + module + " failed"
            tell.stage(name, lambda _, m=module, p=paths: lazy(m, p), why_not)  # type: ignore[misc]
    return known | {*also}


def strays(asked: set[str]) -> list[dict[str, str]]:
    """Return the packages that were imported from outside of the site folders and the standard library.

    Of what was asked for and died, where it would be imported from. module, file, and by:
    the file that put that place on the path, "" where none is known to.
    """
    sites = [one for one in sys.path if os.path.basename(one) in ("site-packages", "dist-packages")]
    standard = (os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "DLLs"))
    known = [os.path.realpath(one) + os.sep for one in (*sites, *standard, _OWN)]
    found = []
    for name in sorted(
        {*asked, *(one for one in sys.modules if "." not in one and one != "__main__")}
    ):
        file = getattr(sys.modules.get(name), "__file__", None) or origin(name)
        if not isinstance(file, str) or not os.path.isabs(file):
            continue
        if not os.path.realpath(file).startswith(tuple(known)):
            folder = os.path.dirname(file)
            if os.path.basename(file).startswith("__init__."):
                folder = os.path.dirname(folder)
            found.append({"module": name, "file": file, "by": put_by(folder, sites)})
    return found[:MOST_STRAYS]


def origin(name: str) -> str | None:
    """Return the file that an import of a module would take."""
    try:
        found = importlib.util.find_spec(name)
    except Exception:  # a broken finder, or a module without a spec
        return None
    return found.origin if found else None


def put_by(folder: str, sites: list[str]) -> str:
    """Return the file that names a folder of sys.path: a .pth file, or a module that Python imports at its start."""
    held = [(one, sorted(os.listdir(one))) for one in sites if os.path.isdir(one)]
    files = [os.path.join(s, n) for s, names in held for n in names if n.endswith(".pth")]
    started = (sys.modules.get(one) for one in ("sitecustomize", "usercustomize"))
    files += [str(getattr(one, "__file__", "")) for one in started if one]
    for path in files:
        try:
            with open(path, "rb") as file:
                if os.fsencode(folder) in file.read(LARGEST):
                    return path
        except OSError:
            pass
    return ""


def main() -> None:
    """Read the arguments and run everything."""
    arguments = sys.argv[1:]
    pairs = list(zip(arguments, arguments[1:]))  # noqa: RUF007  of Python 3.10
    skip = [value for flag, value in pairs if flag == "--skip"]
    also = [value for flag, value in pairs if flag == "--also"]
    seconds = [value for flag, value in pairs if flag == "--seconds"]
    tell = Teller(float(seconds[0]) if seconds else 0.0, skip)
    torch = run_torch(tell)
    known = run_libraries(tell, also, torch=torch)
    tell.leave(strays=strays(known))
