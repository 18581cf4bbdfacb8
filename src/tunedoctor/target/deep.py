"""The deep probe: run the installed stack inside the target, stage by stage.

With --imports, nothing starts a GPU. Uses only the standard library, the table of imports and the tested packages.
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

from .reporting import LONGEST, Missing, Teller, attempt, installed, reach, text_of

_OWN = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(_OWN, "..", "tables", "imports.json")
MOST_STRAYS = 200
LARGEST = 1 << 20
"""Most bytes read of a .pth file."""
TOLERANCE = {"float32": 0.01, "float16": 0.01, "bfloat16": 0.05}
"""Largest allowed difference to the CPU, as a share of the largest number; for float32 it allows TF32."""


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
    """Find out whether the GPU works, or why not; `state` gets the kind and number of working devices."""
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
        except Exception as error:  # its text says why the GPU does not work
            reasons.append((type(error).__name__ + ": " + str(error))[:LONGEST])
    data["gpu_error"] = "\n".join(dict.fromkeys(reasons)) if not data["available"] else ""


def described(torch: Any, kind: str, index: int) -> dict[str, Any]:
    """Return torch's facts about one device."""
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
    """Store torch's facts about one device."""
    data["device"] = described(torch, kind, index)


def matmul(torch: Any, device: str, dtype: str, _: object) -> None:
    """Compare a matrix product on the device with that of the CPU. Raises ValueError if it is wrong."""
    kind = reach(torch, dtype)
    left = reach(torch, "randn")(64, 64)
    want = left @ left
    moved = left.to(device).to(kind)
    got = (moved @ moved).float().cpu()
    worst = float((got - want).abs().max() / want.abs().max())
    if not worst <= TOLERANCE[dtype]:  # also true for NaN
        off = f"the product on {device} is off by {worst:.3g}"
        raise ValueError(f"{off} of the largest number on the CPU")


def backends() -> list[tuple[str, Any]]:
    """Return the attention back-ends of this torch, each with a context manager that selects it.

    Raises Missing before torch 2.3.
    """
    try:
        module = importlib.import_module("torch.nn.attention")
        kinds, choose = module.SDPBackend, module.sdpa_kernel
    except (ImportError, AttributeError):
        raise Missing("this torch has no torch.nn.attention") from None

    @contextlib.contextmanager
    def chosen(kind: Any) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # back-ends warn why they do not apply
            with choose(kind):
                yield

    names = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH")
    available = [(name.split("_")[0].lower(), getattr(kinds, name, None)) for name in names]
    return [(name, chosen(kind)) for name, kind in available if kind is not None]


def attention(torch: Any, device: str, data: dict[str, Any]) -> None:
    """Find out which back-ends of scaled dot product attention run."""
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
    """Return torch's name of the device: a ROCm device is called cuda."""
    return "mps" if kind == "mps" else f"{'xpu' if kind == 'xpu' else 'cuda'}:{index}"


def import_module(module: str, _: object) -> None:
    """Import a module. Raises ImportError if it is an empty folder, or whatever the import raises."""
    imported = importlib.import_module(module)
    spec = getattr(imported, "__spec__", None)
    if getattr(imported, "__file__", None) is None and getattr(spec, "origin", None) is None:
        where = ", ".join(map(str, getattr(imported, "__path__", [])))
        raise ImportError(f"{module} is a folder without __init__.py: {where}", name=module)


def build(torch: Any, data: dict[str, Any]) -> None:
    """Store version, file and CUDA architectures of torch."""
    data["version"] = text_of(torch, "__version__")
    data["file"] = text_of(torch, "__file__")
    for name in ("cuda", "hip"):
        data[name] = text_of(torch, "version." + name)
    # not get_arch_list, which calls the driver first, and that can hang
    flags = attempt(torch, "_C._cuda_getArchFlags")
    data["archs"] = flags.split() if isinstance(flags, str) else []


def bridge(torch: Any, _: object) -> None:
    """Convert an array from NumPy to torch and back."""
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
    """Access names that a library loads lazily. Raises AttributeError, or whatever loading them raises."""
    library = sys.modules[module]
    for path in paths:
        value: Any = library
        for name in path.split("."):
            value = getattr(value, name)


def run_torch(tell: Teller, *, imports: bool) -> bool:
    """Run the stages of torch; return False if it can't be imported. `imports`: nothing that starts a GPU."""
    has_numpy = installed("numpy") and tell.stage("import numpy", import_module, "numpy")
    should_import = installed("torch") or not imports
    if not (should_import and tell.stage("import torch", import_module, "torch")):
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
    """Import the installed part of the stack, then the modules of `also` and `frameworks`; return all their names."""
    with open(TABLE, encoding="utf-8") as file:
        stack = json.load(file)["stack"]
    names = {"numpy", "torch", *(entry["module"] for entry in stack)}
    more: list[dict[str, Any]] = [{"module": name} for name in dict.fromkeys(also)]
    # frameworks come last: some of them patch what they import
    more += [{"module": name, "torch": True} for name in frameworks if name not in also]
    for entry in (*stack, *(entry for entry in more if entry["module"] not in names)):
        module = entry["module"]
        if not installed(module):
            continue
        why_not = "" if torch or entry.get("torch") is not True else "import torch failed"
        good = tell.stage("import " + module, import_module, module, why_not=why_not)
        for name, paths in entry.get("late", {}).items():
            if not torch and entry.get("torch"):
                why_not = "import torch failed"
            elif not good:
                why_not = "import " + module + " failed"
            tell.stage(name, lazy, module, paths, why_not=why_not)
    return names.union(also, frameworks)


def strays(names: set[str]) -> list[dict[str, str]]:
    """Return the packages that were imported from outside of the site folders and the standard library.

    For modules in `asked` whose import failed, it is where they would be imported from. Each has module,
    file, and by: the file that put that folder on the path, or "" if unknown.
    """
    # not every site folder on sys.path: code can add those of other environments
    sites = [*getattr(site, "getsitepackages", lambda: sys.path)(), str(site.USER_SITE)]
    standard = (os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "DLLs"))
    allowed = [os.path.realpath(entry) + os.sep for entry in (*sites, *standard, _OWN)]
    result = []
    tops = (entry for entry in sys.modules if "." not in entry and entry != "__main__")
    for name in sorted({*names, *tops}):
        file = getattr(sys.modules.get(name), "__file__", None) or origin(name)
        if not isinstance(file, str) or not os.path.isabs(file):
            continue
        if not os.path.realpath(file).startswith(tuple(allowed)):
            folder = os.path.dirname(file)
            if os.path.basename(file).startswith("__init__."):
                folder = os.path.dirname(folder)
            result.append({"module": name, "file": file, "by": put_by(folder, sites)})
    return result[:MOST_STRAYS]


def origin(name: str) -> str | None:
    """Return the file that an import of a module would load, or None."""
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # a broken finder, or a module without a spec
        return None
    return spec.origin if spec else None


def put_by(folder: str, sites: list[str]) -> str:
    """Return the file that put a folder on sys.path: a .pth file, sitecustomize or usercustomize, or ""."""
    listings = [
        (site_folder, sorted(os.listdir(site_folder)))
        for site_folder in sites
        if os.path.isdir(site_folder)
    ]
    files = [os.path.join(s, n) for s, names in listings for n in names if n.endswith(".pth")]
    startup = (sys.modules.get(site_folder) for site_folder in ("sitecustomize", "usercustomize"))
    files += [str(getattr(site_folder, "__file__", "")) for site_folder in startup if site_folder]
    for path in files:
        try:
            with open(path, "rb") as file:
                if os.fsencode(folder) in file.read(LARGEST):
                    return path
        except OSError:
            pass
    return ""


def deep(tell: Teller, asked: Any) -> dict[str, Any]:
    """Run everything; return the data for the last line."""
    torch = run_torch(tell, imports=asked.imports)
    names = run_libraries(tell, asked.also, asked.framework, torch=torch)
    return {"strays": strays(names)}
