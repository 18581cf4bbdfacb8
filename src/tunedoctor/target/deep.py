"""Run the stack inside the target, stage by stage.

Called as `python deep.py [--skip STAGE]... [--also MODULE]... [--seconds N] [--imports] [--compile]`;
--imports: nothing that starts a GPU. Uses the standard library, the table of imports and the tested
packages alone; Python 3.8 and newer. A private copy of standard output carries one
JSON line before a stage and one after it, so that a hang or a crash still tells where; whatever
else prints goes to standard error. On a crash, or after N seconds in one stage, faulthandler writes
where Python stands to the same private stream, as lines that are not JSON.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 3
"""Innermost frames of a traceback that are told."""
CAUSES = 3
"""First causes of an exception that are told, besides itself."""
DEEPEST = 50
LONGEST = 2000
"""Characters of one message."""
MOST_WARNINGS = 50
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tables", "imports.json")
SLOW = ("import torch", "import transformers", "transformers Trainer", "init gpu")
"""Stages that get twice the time: they read much from a cold disk, or start many GPUs."""

TOLERANCE = {"float32": 0.01, "float16": 0.01, "bfloat16": 0.05}
"""Largest difference to the CPU, as a share of the largest number; float32 allows for TF32."""


class Missing(Exception):  # noqa: N818  not an error: a stage that can't be tried
    """A function that the stage needs is not there."""


class Teller:
    """Runs stages and tells of them on a private stream."""

    def __init__(self, skip: list[str], seconds: float) -> None:
        """Move standard output to standard error and keep its old end for the telling."""
        self.skip = skip
        self.seconds = seconds
        self.stream = os.dup(1)
        os.dup2(2, 1)
        self.warnings: list[str] = []
        self.told = 0
        faulthandler.enable(file=self.stream)
        warnings.showwarning = self._warn

    def say(self, **line: Any) -> None:
        """Write one JSON line in one piece."""
        os.write(self.stream, json.dumps(line).encode("ascii") + b"\n")

    def stage(self, name: str, work: Callable[[dict[str, Any]], None], why_not: str = "") -> bool:
        """Run one stage and return whether it went well; `work` fills in what it found."""
        if name in self.skip:
            return False
        limit = self.seconds * (2 if name in SLOW else 1)
        self.say(begin=name, limit=limit)
        if why_not:
            self.say(end=name, ok=False, skipped=True, error=why_not)
            return False
        data: dict[str, Any] = {}
        failure: dict[str, Any] = {}
        if limit > 0:
            faulthandler.dump_traceback_later(limit, file=self.stream)
        began = time.perf_counter()
        try:
            work(data)
        except Missing as error:
            failure = {"skipped": True, "error": str(error)}
        except BaseException as error:  # a SystemExit on import is a failure too
            failure = {"error": told(error), "type": type(error).__name__}
        seconds = time.perf_counter() - began
        faulthandler.cancel_dump_traceback_later()
        new = self.warnings[self.told :]
        self.told += len(new)
        self.say(
            end=name, ok=not failure, seconds=round(seconds, 3), data=data, warnings=new, **failure
        )
        return not failure

    def _warn(self, message: Any, category: Any, *_: Any, **__: Any) -> None:
        text = f"{getattr(category, '__name__', category)}: {message}"
        if len(self.warnings) < MOST_WARNINGS and text[:LONGEST] not in self.warnings:
            self.warnings.append(text[:LONGEST])


def told(error: BaseException) -> str:
    """Return an exception and its causes, first cause first: innermost frames, then the message."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain and len(chain) < DEEPEST:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    chain.reverse()
    # what is between the first causes and the end repeats them
    return "\n".join(_one(e) for e in (*chain[:CAUSES], *chain[CAUSES:][-1:]))


def _one(error: BaseException) -> str:
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename not in (__file__, importlib.__file__) and not f.filename.startswith("<frozen")
    ]
    lines = [f'  File "{f.filename}", line {f.lineno}, in {f.name}' for f in frames[-FRAMES:]]
    module = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if module:
        lines.append(f"  module {module}")
    try:
        message = str(error)
    except Exception as worse:  # a library's own exception class
        message = f"no message: {worse}"
    text = type(error).__name__ + (": " + message if message else "")
    if len(text) > LONGEST:
        text = text[: LONGEST // 2] + " ... " + text[-LONGEST // 2 :]
    return "\n".join([*lines, text])


def reach(root: Any, path: str) -> Any:
    """Return root.a.b for "a.b".

    Raises:
        Missing: an attribute is not there.
    """
    found = root
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            msg = f"{getattr(root, '__name__', 'it')} has no {path}"
            raise Missing(msg) from None
    return found


def attempt(root: Any, path: str, *arguments: Any) -> Any:
    """Call root.path(*arguments); None where it is not there or fails."""
    try:
        return reach(root, path)(*arguments)
    except Exception:  # an answer less
        return None


def text_of(root: Any, path: str) -> str:
    """Return root.path as text, "" where it is not there or None."""
    try:
        value = reach(root, path)
    except Missing:
        return ""
    return "" if value is None else str(value)


def installed(module: str) -> bool:
    """Tell whether the module is found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:  # a broken finder or a module without a spec: import will tell
        return True


def import_module(module: str) -> None:
    """Import a module.

    Raises:
        ImportError: it is an empty folder; or whatever the import raises.
    """
    found = importlib.import_module(module)
    spec = getattr(found, "__spec__", None)
    if getattr(found, "__file__", None) is None and getattr(spec, "origin", None) is None:
        where = ", ".join(map(str, getattr(found, "__path__", [])))
        msg = f"{module} is a folder without __init__.py: {where}"
        raise ImportError(msg, name=module)


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
        msg = f"torch.from_numpy(ones(3)).numpy() gave {back!r}"
        raise ValueError(msg)


def tensor(torch: Any) -> None:
    """Compute a product and its gradient on the CPU."""
    weight = reach(torch, "ones")(8, 8, requires_grad=True)
    (reach(torch, "ones")(8, 8) @ weight).sum().backward()
    if float(weight.grad.sum()) != 512.0:
        msg = f"the gradient of a product of ones is {weight.grad!r}"
        raise ValueError(msg)


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


def init_gpu(torch: Any, kind: str, data: dict[str, Any]) -> None:
    """Ask whether the GPU works and, if not, why."""
    data["kind"] = kind
    name = {"mps": "backends.mps", "xpu": "xpu"}.get(kind, "cuda")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data["available"] = bool(reach(torch, name + ".is_available")())
    reasons = [str(w.message)[:LONGEST] for w in caught]
    if not kind and data["available"]:
        data["kind"] = "cuda"
    if kind in ("cuda", "rocm", "xpu") and not data["available"]:
        try:
            reach(torch, name + ".init")()
        except Missing:
            pass
        except Exception as error:  # the very text that is wanted
            reasons.append((type(error).__name__ + ": " + str(error))[:LONGEST])
    data["gpu_error"] = "\n".join(dict.fromkeys(reasons)) if not data["available"] else ""
    for text in reasons if data["available"] else ():
        warnings.warn(text, UserWarning, stacklevel=1)
    if data["available"]:
        if kind in ("cuda", "rocm", "xpu"):
            attempt_init = getattr(getattr(torch, name), "init", None)
            if attempt_init is not None:
                attempt_init()
        count = attempt(torch, name + ".device_count")
        data["count"] = count if isinstance(count, int) else 1
        archs = attempt(torch, name + ".get_arch_list")
        data["archs"] = [str(a) for a in archs] if isinstance(archs, (list, tuple)) else []


def describe(torch: Any, kind: str, index: int, data: dict[str, Any]) -> None:
    """Note what torch says of one device."""
    device: dict[str, Any] = {"kind": kind, "index": index, "name": ""}
    data["device"] = device
    if kind == "mps":
        device["name"] = "Apple GPU"
        size = attempt(torch, "mps.recommended_max_memory")
        device["memory_total"] = size if isinstance(size, int) else None
        return
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


def matmul(torch: Any, device: str, dtype: str) -> None:
    """Compare a product on the device with that of the CPU."""
    kind = reach(torch, dtype)
    left = reach(torch, "randn")(64, 64)
    want = left @ left
    moved = left.to(device).to(kind)
    got = (moved @ moved).float().cpu()
    worst = float((got - want).abs().max() / want.abs().max())
    if not worst <= TOLERANCE[dtype]:  # NaN as well
        msg = f"the product on {device} is off by {worst:.3g} of the largest number on the CPU"
        raise ValueError(msg)


def attention(torch: Any, device: str, data: dict[str, Any]) -> None:
    """Which back-ends of scaled dot product attention run."""
    data["attention"] = []
    run = reach(torch, "nn.functional.scaled_dot_product_attention")
    try:
        module = importlib.import_module("torch.nn.attention")
        backends, choose = module.SDPBackend, module.sdpa_kernel
    except (ImportError, AttributeError):
        msg = "torch.nn.attention is not there"
        raise Missing(msg) from None
    dtype = torch.float32 if device == "cpu" else torch.float16
    query = torch.ones(1, 2, 64, 64, dtype=dtype, device=device)
    last: Exception | None = None
    for name in ("flash", "efficient", "cudnn", "math"):
        backend = getattr(
            backends,
            {"cudnn": "CUDNN_ATTENTION", "math": "MATH"}.get(name, name.upper() + "_ATTENTION"),
            None,
        )
        if backend is None:
            continue
        try:
            # they warn why they do not fit
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with choose(backend):
                    float(run(query, query, query).sum())
        except Exception as error:  # this back-end is not for this device
            last = error
        else:
            data["attention"].append(name)
    if not data["attention"] and last is not None:
        raise last


def compiled(torch: Any, device: str) -> None:
    """torch.compile of one line."""
    double = reach(torch, "compile")(lambda x: x * 2 + 1)
    if float(double(reach(torch, "ones")(8, device=device)).sum()) != 24.0:
        msg = "the compiled function gave a wrong result"
        raise ValueError(msg)


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


def device_name(kind: str, index: int) -> str:
    """Return the device as torch calls it: a ROCm device is a cuda one."""
    return "mps" if kind == "mps" else f"{'xpu' if kind == 'xpu' else 'cuda'}:{index}"


def run_device(tell: Teller, torch: Any, kind: str, index: int) -> None:
    """Stages of one device."""
    device = device_name(kind, index)
    tell.stage("device " + device, lambda data: describe(torch, kind, index, data))
    for dtype in TOLERANCE:
        tell.stage(f"matmul {device} {dtype}", lambda _, d=dtype: matmul(torch, device, d))  # type: ignore[misc]


def run_libraries(tell: Teller, also: list[str], *, torch: bool) -> None:
    """Import what is installed of the stack, then the modules of `also`."""
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


def die_with_the_doctor() -> None:
    """Linux: have the kernel end this process when the doctor is gone, even amid a hang."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except Exception:  # not Linux, or no ctypes: the closed stream ends it
        pass


def main() -> None:
    """Read the arguments and run everything."""
    sys.dont_write_bytecode = True
    here = os.path.dirname(os.path.abspath(__file__))
    # the folder of this script is no place of the user's
    if sys.path and os.path.abspath(sys.path[0] or ".") == here:
        del sys.path[0]
    arguments = sys.argv[1:]
    pairs = list(zip(arguments, arguments[1:]))  # noqa: B905, RUF007  of Python 3.10
    skip = [value for flag, value in pairs if flag == "--skip"]
    also = [value for flag, value in pairs if flag == "--also"]
    seconds = [value for flag, value in pairs if flag == "--seconds"]
    if sys.platform.startswith("linux"):
        die_with_the_doctor()
    tell = Teller(skip, float(seconds[0]) if seconds else 0.0)
    torch = run_torch(tell)
    run_libraries(tell, also, torch=torch)
    tell.say(done=True)
    sys.stderr.flush()
    # no farewell: what libraries do at exit is not what was asked
    os._exit(0)


if __name__ == "__main__":
    main()
