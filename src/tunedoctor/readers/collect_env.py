"""Read the output of `python -m torch.utils.collect_env`, in all layouts since torch 1.3, and vLLM's of that shape.

Keys are found by their names wherever they stand; what a release did not print yet is simply not told. Values that
say nothing (N/A, None, Could not collect, No CUDA) mean different things for different keys.
"""

import re
from typing import Literal

from tunedoctor.facts import (
    Distribution,
    Environment,
    Fact,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    Packages,
    Runtime,
    Stage,
    TorchBuild,
)
from tunedoctor.tables.gpus import nvidia_by_name
from tunedoctor.versions import parts

_KEYS = {
    "torch": r"(?:Py)?Torch version",
    "cuda_build": r"CUDA used to build PyTorch",
    "rocm_build": r"ROCM used to build PyTorch",
    "os": r"OS",
    "libc": r"Libc version",
    "python": r"Python version",
    "platform": r"Python platform",
    "available": r"Is CUDA available",
    "xpu": r"Is XPU available",
    "gpus": r"GPU models and configuration",
    "driver": r"Nvidia driver version",
    "hip": r"HIP runtime version",
    "arch": r"Architecture",
    "cvd": r"CUDA_VISIBLE_DEVICES",
    "ld": r"LD_LIBRARY_PATH",
}
_LINE = re.compile(
    r"^\W{0,12}(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _KEYS.items())
    + r")\s*[:=]\s*(?P<value>.*)$"
)
_SIGNS = ("torch", "cuda_build", "available", "gpus", "driver")
"""Keys of which two make a text a collect_env report."""
_NOTHING = {"", "n/a", "none", "could not collect", "no cuda", "false", "not available"}
_GPU_LINE = re.compile(r"^\s*(?:GPU|Device)\s*(\d{1,3})\s*:\s*(.{2,120}?)\s*(?:\(UUID.*)?$")
_PACKAGE = re.compile(
    r"^\W{0,12}?\[(?P<how>pip3?|conda)\]\s+(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:==|=|\s)\s*\(?"
    r"(?P<version>\d[\w.+!-]*)\)?(?P<rest>.*)$"
)
_MACHINE = re.compile(r"\b(x86_64|amd64|aarch64|arm64|ppc64le|i686)\b", re.IGNORECASE)
_RUNTIMES = re.compile(r"\((\d\d)-?bit", re.IGNORECASE)


def read(lines: list[str]) -> list[Fact]:
    """Return the facts of a report in these lines; nothing where there is none. Never raises."""
    values: dict[str, str] = {}
    gpus: list[tuple[int, str]] = []
    packages: dict[str, Distribution] = {}
    conda: dict[str, str] = {}
    in_gpus = False
    for line in lines:
        if found := _LINE.match(line):
            name = next(n for n in _KEYS if found[n] is not None)
            values.setdefault(name, found["value"].strip())
            in_gpus = name == "gpus"
            if in_gpus and (first := _GPU_LINE.match(found["value"])):
                gpus.append((int(first[1]), first[2]))
        elif in_gpus and (one := _GPU_LINE.match(line)):
            gpus.append((int(one[1]), one[2]))
        elif one := _PACKAGE.match(line):
            _add_package(one, packages, conda)
        elif line.strip():
            in_gpus = False
    if sum(name in values for name in _SIGNS) < 2:
        return []
    facts: list[Fact] = [_host(values)]
    facts += _interpreter(values)
    facts += _torch(values, conda)
    facts += _gpus(values, gpus)
    if packages or conda:
        facts.append(Packages(distributions=tuple(packages.values()), conda=conda, complete=False))
    variables = {
        name: values[key].strip("'\"")
        for key, name in (("cvd", "CUDA_VISIBLE_DEVICES"), ("ld", "LD_LIBRARY_PATH"))
        if key in values
    }
    if variables:
        facts.append(Environment(variables=variables))
    return facts


def _told(values: dict[str, str], key: str) -> str:
    value = values.get(key, "")
    return "" if value.lower() in _NOTHING else value


def _host(values: dict[str, str]) -> Host:
    text, platform = values.get("os", ""), values.get("platform", "")
    both = f"{text} {platform}".lower()
    family: Literal["linux", "windows", "macos", "other"] = "other"
    if "windows" in both:
        family = "windows"
    elif "macos" in both or "mac osx" in both or "darwin" in both:
        family = "macos"
    elif text or "linux" in both:
        family = "linux"
    machine = _MACHINE.search(text) or _MACHINE.search(f"{platform} {values.get('python', '')}")
    libc = re.search(
        r"(glibc|musl)\s*-?\s*(\d+\.\d+)", f"{values.get('libc', '')} {platform}", re.IGNORECASE
    )
    mac = re.search(r"mac\s?os(?:\s?x)?\s*-?(\d+(?:\.\d+)+)", both)
    wsl: Literal[0, 1, 2] = 0
    if "microsoft" in platform.lower():
        wsl = 2 if "wsl2" in platform.lower() or "standard" in platform.lower() else 1
    name = re.sub(r"\s*\((?:x86_64|amd64|aarch64|arm64)\)$", "", text, flags=re.IGNORECASE)
    return Host(
        os=family,
        name=name.removeprefix("Microsoft ") or family,
        kernel=platform[:120],
        machine=machine[1].lower() if machine else "",
        libc=libc[1].lower() if libc else "",  # type: ignore[arg-type]  # the pattern allows no other
        libc_version=libc[2] if libc else "",
        macos_version="" if family != "macos" or not mac or mac[1].startswith("10.16") else mac[1],
        wsl=wsl,
    )


def _interpreter(values: dict[str, str]) -> list[Fact]:
    text = values.get("python", "")
    version = re.search(r"\d+\.\d+(?:\.\d+)?(?:(?:a|b|rc)\d+)?\+?", text)
    if not version:
        return []
    bits = _RUNTIMES.search(text)
    told = 64
    if (bits and bits[1] == "32") or (
        "[msc v" in text.lower() and "32 bit (intel)" in text.lower()
    ):
        told = 32
    return [
        Interpreter(
            executable="",
            version=version[0].rstrip("+"),
            bits=told,
            kind="conda"
            if "anaconda" in text.lower() or "conda-forge" in text.lower()
            else "unknown",
            machine=_host(values).machine,
            free_threaded="free-threading" in text,
        )
    ]


def _torch(values: dict[str, str], conda: dict[str, str]) -> list[Fact]:
    version = re.match(r"\d[\w.+!-]*", _told(values, "torch"))
    if not version:
        return []
    label = version[0].partition("+")[2]
    cuda = re.match(r"\d+\.\d+", values.get("cuda_build", ""))
    rocm = re.match(r"\d+\.\d+[\w.-]*", values.get("rocm_build", ""))
    mac = _host(values).os == "macos"
    accelerator: Literal["cuda", "rocm", "xpu", "mps", "cpu", "unknown"] = "unknown"
    if rocm or label.startswith("rocm"):
        accelerator = "rocm"
    elif cuda:
        accelerator = "cuda"
    elif label == "xpu" or values.get("xpu", "").lower() == "true":
        accelerator = "xpu"
    elif mac:
        accelerator = "mps"
    elif label == "cpu" or values.get("cuda_build", "").lower() in ("none", "could not collect"):
        accelerator = "cpu"
    variant = {"cpu": "cpu", "xpu": "xpu"}.get(accelerator, "")
    if accelerator == "cuda" and cuda:
        variant = "cu" + cuda[0].replace(".", "")
    if accelerator == "rocm" and label.startswith("rocm"):
        variant = label
    facts: list[Fact] = [
        TorchBuild(
            version=version[0],
            cuda=cuda[0] if cuda and accelerator == "cuda" else "",
            hip=rocm[0] if rocm else "",
            accelerator=accelerator,
            variant=variant,
            conda="pytorch" in conda,
        )
    ]
    available = {"true": True, "yes": True, "false": False, "no": False}.get(
        values.get("available", "").lower()
    )
    if values.get("xpu", "").lower() == "true":
        available = True
    facts.append(
        Runtime(
            stages=(Stage(name="import torch", outcome="ok"),),
            torch_version=version[0],
            torch_cuda=cuda[0] if cuda and accelerator == "cuda" else "",
            gpu_available=available,
        )
    )
    return facts


def _gpus(values: dict[str, str], gpus: list[tuple[int, str]]) -> list[Fact]:
    facts: list[Fact] = []
    driver = _told(values, "driver")
    if parts(driver):
        facts.append(NvidiaDriver(version=driver, source="collect_env"))
    names = {i: re.sub(r"\s*\(UUID.*", "", n) for i, n in gpus}
    amd = bool(_told(values, "hip")) or any(
        re.search(r"gfx\d|Radeon|Instinct", n) for n in names.values()
    )
    if names and not amd:
        facts.append(
            NvidiaGpus(
                gpus=tuple(
                    NvidiaGpu(index=i, name=n, compute_capability=_capability(n))
                    for i, n in sorted(names.items())
                ),
                source="report",
            )
        )
    return facts


def _capability(name: str) -> str:
    model = nvidia_by_name(name)
    return model.compute_capability if model else ""


def _add_package(
    found: "re.Match[str]", packages: dict[str, Distribution], conda: dict[str, str]
) -> None:
    name = re.sub(r"[-_.]+", "-", found["name"]).lower()
    if found["how"] == "conda":
        conda.setdefault(
            name,
            f"{found['version']} {found['rest'].split()[0] if found['rest'].split() else ''}".strip(),
        )
        name = {"pytorch": "torch"}.get(name, name)
    packages.setdefault(
        name,
        Distribution(
            name=name,
            version=found["version"],
            installer="conda" if found["how"] == "conda" else "pip",
        ),
    )
