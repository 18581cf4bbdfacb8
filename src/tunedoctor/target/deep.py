"""The deep probe: run the stack inside the target, stage by stage.

--imports: nothing that starts a GPU. Uses the standard library, the table of imports and the tested packages alone.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import site
import sys
import warnings
from typing import Any, Iterator

from .telling import LONGEST, Missing, Teller, attempt, installed, reach, text_of

_OWN = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(_OWN, "..", "tables", "imports.json")
MOST_STRAYS = 200
LARGEST = 1 << 20
"""Bytes of a .pth file that are read."""
TOLERANCE = {"float32": 0.01, "float16": 0.01, "bfloat16": 0.05}
"""Largest difference to the CPU, as a share of the largest number; float32 allows for TF32."""


def kind_of(torch: Any) -> str:
    """Return the kind of device that this build is for: cuda, rocm, xpu, mps or ""."""
    if text_of(torch, "version.hip"):
        return "rocm"
    if text_of(torch, "version.cuda"):
        return "cuda"
    if text_of(torch, "version.xpu") or attempt(torch, "xpu.is_available"):
        return "xpu"
    built = attempt(torch, "backends.mps.is_built")
    return "mps" if built else ""


def init_gpu(torch: Any, kind: str, state: dict[str, Any], data: dict[str, Any]) -> None:
    """Ask whether the GPU works and, if not, why; `state` gets the kind and the number of those that do."""
    name = {"mps": "backends.mps", "xpu": "xpu"}.get(kind, "cuda")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data["available"] = bool(reach(torch, name + ".is_available")())
    reasons = [str(w.message)[:LONGEST] for w in caught]
    init = getattr(reach(torch, name), "init", None) if kind in ("cuda", "rocm", "xpu") else None
    if data["available"]:
        for text in reasons:
            warnings.warn(text, UserWarning, stacklevel=1)
        if init is not None:
            init()
        count = attempt(torch, name + ".device_count")
        state.update(kind=kind or "cuda", count=count if isinstance(count, int) else 1)
        archs = attempt(torch, name + ".get_arch_list")
        data["archs"] = [str(a) for a in archs] if isinstance(archs, (list, tuple)) else []
    elif init is not None:
        try:
            init()
        except Exception as error:  # the very text that is wanted
            reasons.append((type(error).__name__ + ": " + str(error))[:LONGEST])
    data["gpu_error"] = "\n".join(dict.fromkeys(reasons)) if not data["available"] else ""


def described(torch: Any, kind: str, index: int) -> dict[str, Any]:
    """Return what torch says of one device."""
    device: dict[str, Any] = {"kind": kind, "index": index, "name": ""}
    if kind == "mps":
        size = attempt(torch, "mps.recommended_max_memory")
        memory = size if isinstance(size, int) else None
        return {**device, "name": "Apple GPU", "memory_total": memory}
    space = "xpu" if kind == "xpu" else "cuda"
    name = attempt(torch, space + ".get_device_name", index)
    shape = attempt(torch, space + ".get_device_capability", index) if space == "cuda" else None
    properties = attempt(torch, space + ".get_device_properties", index)
    device["name"] = str(name or getattr(properties, "name", ""))
    if kind == "cuda" and isinstance(shape, (list, tuple)) and len(shape) == 2:
        device["compute_capability"] = f"{shape[0]}.{shape[1]}"
        device["bf16"] = tuple(shape) >= (8, 0)
    elif kind == "rocm":
        bf16 = attempt(torch, "cuda.is_bf16_supported")
        device["bf16"] = bf16 if isinstance(bf16, bool) else None
        device["gfx"] = str(getattr(properties, "gcnArchName", "")).split(":")[0]
    size = getattr(properties, "total_memory", None)
    device["memory_total"] = size if isinstance(size, int) and size >= 0 else None
    return device


def describe(torch: Any, kind: str, index: int, data: dict[str, Any]) -> None:
    """Note what torch says of one device."""
    data["device"] = described(torch, kind, index)


def matmul(torch: Any, device: str, dtype: str, _: object) -> None:
    """Compare a product on the device with that of the CPU."""
    kind = reach(torch, dtype)
    left = reach(torch, "randn")(64, 64)
    want = left @ left
    moved = left.to(device).to(kind)
    got = (moved @ moved).float().cpu()
    worst = float((got - want).abs().max() / want.abs().max())
    if not worst <= TOLERANCE[dtype]:  # NaN as well
        off = f"the product on {device} is off by {worst:.3g}"
        raise ValueError(f"{off} of the largest number on the CPU")


def backends() -> list[tuple[str, Any]]:
    """Return this torch's back-ends of attention, and what chooses each in a `with`. Raises Missing before 2.3."""
    try:
        module = importlib.import_module("torch.nn.attention")
        kinds, choose = module.SDPBackend, module.sdpa_kernel
    except (ImportError, AttributeError):
        raise Missing("torch.nn.attention is not there") from None

    @contextlib.contextmanager
    def chosen(kind: Any) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they warn why they do not fit
            with choose(kind):
                yield

    names = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
    there = [(name.split("_")[0].lower(), getattr(kinds, name, None)) for name in names]
    return [(name, chosen(kind)) for name, kind in there if kind is not None]


def attention(torch: Any, device: str, data: dict[str, Any]) -> None:
    """Which back-ends of scaled dot product attention run."""
    data["attention"] = []
    run = reach(torch, "nn.functional.scaled_dot_product_attention")
    dtype = torch.float32 if device == "cpu" else torch.float16
    last: Exception | None = None
    for name, chosen in backends():
        query = torch.ones(1, 2, 64, 64, dtype=dtype, device=device)
        try:
            with chosen:
                float(run(query, query, query).sum())
        except Exception as error:  # this back-end is not for this device
            last = error
        else:
            data["attention"].append(name)
    if not data["attention"] and last is not None:
        raise last


def device_name(kind: str, index: int) -> str:
    """Return the device as torch calls it: a ROCm device is a cuda one."""
    return "mps" if kind == "mps" else f"{'xpu' if kind == 'xpu' else 'cuda'}:{index}"


def import_module(module: str, _: object) -> None:
    """Import a module. Raises ImportError: it is an empty folder; or whatever the import raises."""
    found = importlib.import_module(module)
    spec = getattr(found, "__spec__", None)
    if getattr(found, "__file__", None) is None and getattr(spec, "origin", None) is None:
        where = ", ".join(map(str, getattr(found, "__path__", [])))
        raise ImportError(f"{module} is a folder without __init__.py: {where}", name=module)


def build(torch: Any, data: dict[str, Any]) -> None:
    """Note what torch says it is."""
    data["version"] = text_of(torch, "__version__")
    data["file"] = text_of(torch, "__file__")
    for name in ("cuda", "hip"):
        data[name] = text_of(torch, "version." + name)
    # not get_arch_list: that asks the driver first, which can hang
    flags = attempt(torch, "_C._cuda_getArchFlags")
    data["archs"] = flags.split() if isinstance(flags, str) else []


def bridge(torch: Any, _: object) -> None:
    """Take an array from NumPy to torch and back."""
    numpy = importlib.import_module("numpy")
    back = reach(torch, "from_numpy")(numpy.ones(3)).numpy()
    if float(back.sum()) != 3.0:
        raise ValueError(f"torch.from_numpy(ones(3)).numpy() gave {back!r}")


def tensor(torch: Any, _: object) -> None:
    """Compute a product and its gradient on the CPU."""
    weight = reach(torch, "ones")(8, 8, requires_grad=True)
    (reach(torch, "ones")(8, 8) @ weight).sum().backward()
    if float(weight.grad.sum()) != 512.0:
        raise ValueError(f"the gradient of a product of ones is {weight.grad!r}")


def lazy(module: str, paths: list[str], _: object) -> None:
    """Touch names that a library loads late. Raises AttributeError, or whatever the loading raises."""
    library = sys.modules[module]
    for path in paths:
        found: Any = library
        for name in path.split("."):
            found = getattr(found, name)


def run_torch(tell: Teller, *, imports: bool) -> bool:
    """Stages around torch; False where it can't be imported. `imports`: nothing that starts a GPU."""
    has_numpy = installed("numpy") and tell.stage("import numpy", import_module, "numpy")
    there = installed("torch") or not imports
    if not (there and tell.stage("import torch", import_module, "torch")):
        return False
    torch = sys.modules["torch"]
    tell.stage("torch build", build, torch)
    if has_numpy:
        tell.stage("numpy bridge", bridge, torch)
    tell.stage("tensor", tensor, torch)
    if imports:
        return True
    state: dict[str, Any] = {}
    ready = tell.stage("init gpu", init_gpu, torch, kind_of(torch), state)
    kind, count = str(state.get("kind")), state.get("count", 0) if ready else 0
    devices = [device_name(kind, index) for index in range(min(count, 64))]
    for index, device in enumerate(devices):
        tell.stage("device " + device, describe, torch, kind, index)
        for dtype in TOLERANCE:
            tell.stage(f"matmul {device} {dtype}", matmul, torch, device, dtype)
    place = devices[0] if devices else "cpu"
    tell.stage("attention " + place, attention, torch, place)
    return True


def run_libraries(tell: Teller, also: list[str], frameworks: list[str], *, torch: bool) -> set[str]:
    """Import what is installed of the stack, then the modules of `also` and `frameworks`; return the names of all."""
    with open(TABLE, encoding="utf-8") as file:
        stack = json.load(file)["stack"]
    known = {"numpy", "torch", *(one["module"] for one in stack)}
    more: list[dict[str, Any]] = [{"module": name} for name in dict.fromkeys(also)]
    # frameworks come last: some of them patch what they import
    more += [{"module": name, "torch": True} for name in frameworks if name not in also]
    for one in (*stack, *(one for one in more if one["module"] not in known)):
        module = one["module"]
        if not installed(module):
            continue
        why_not = "" if torch or one.get("torch") is not True else "import torch failed"
        good = tell.stage("import " + module, import_module, module, why_not=why_not)
        for name, paths in one.get("late", {}).items():
            if not torch and one.get("torch"):
                why_not = "import torch failed"
            elif not good:
                why_not = "import " + module + " failed"
            tell.stage(name, lazy, module, paths, why_not=why_not)
    return known.union(also, frameworks)


def strays(asked: set[str]) -> list[dict[str, str]]:
    """Return the packages that were imported from outside of the site folders and the standard library.

    Of what was asked for and died, where it would be imported from. module, file, and by:
    the file that put that place on the path, "" where none is known to.
    """
    # not each folder of that name on sys.path: code puts those of other environments there
    sites = [*getattr(site, "getsitepackages", lambda: sys.path)(), str(site.USER_SITE)]
    standard = (os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "DLLs"))
    known = [os.path.realpath(one) + os.sep for one in (*sites, *standard, _OWN)]
    found = []
    tops = (one for one in sys.modules if "." not in one and one != "__main__")
    for name in sorted({*asked, *tops}):
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


def deep(tell: Teller, asked: Any) -> dict[str, Any]:
    """Run everything; returns what the last line tells besides."""
    torch = run_torch(tell, imports=asked.imports)
    names = run_libraries(tell, asked.also, asked.framework, torch=torch)
    return {"strays": strays(names)}
