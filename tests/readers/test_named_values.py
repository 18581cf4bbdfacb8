"""Reports of many tools and hands say the same things, and become the same facts. Samples: made for this test."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunedoctor.facts import (
    AmdGpus,
    AppleGpu,
    Compilers,
    Container,
    Cpu,
    Environment,
    Fact,
    Host,
    IntelGpu,
    Interpreter,
    Memory,
    NvidiaDriver,
    NvidiaGpus,
    Packages,
    RocmStack,
    Runtime,
    SharedMemory,
    TorchBuild,
)
from tunedoctor.readers.missing import Missing
from tunedoctor.readers.named_values import read
from tunedoctor.readers.tidy import tidy

F = TypeVar("F", bound=Fact)
SAMPLES = Path(__file__).parents[1] / "samples" / "env"


def _facts(text: str) -> dict[type[Fact], Fact]:
    return {type(fact): fact for fact in read(tidy(text))}


def _of(name: str, kind: type[F]) -> F:
    fact = _facts(_text(name))[kind]
    assert isinstance(fact, kind)
    return fact


def _text(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "version", "variant", "available"),
    [
        ("a1111", "2.1.2+cu121", "cu121", None),
        ("accelerate_021", "2.0.1+cu117", "cu117", True),
        ("bitsandbytes_046_rocm", "2.7.1+rocm6.3", "rocm6.3", None),
        ("by_hand", "2.1.0", "", None),
        ("by_hand_chinese", "2.1.0+cu121", "cu121", None),
        ("check_script", "2.5.1+cu124", "cu124", True),
        ("collect_env_cut", "2.2.0+cu118", "cu118", True),
        ("collect_env_mig", "2.4.0+cu121", "cu121", True),
        ("collect_env_orin", "2.3.0", "cu124", True),
        ("collect_env_tail", "2.3.0", "cu121", None),
        ("collect_env_xpu", "2.8.0+xpu", "xpu", True),
        ("comfyui_rocm", "2.7.1+rocm6.3", "rocm6.3", True),
        ("detectron2", "1.10.0+cu113", "cu113", True),
        ("diffusers_a10g", "2.8.0+cu128", "cu128", True),
        ("ds_report", "2.1.0+cu121", "cu121", None),
        ("hf_env", "2.8.0", "", None),
        ("issue_form_bold", "2.5.1+cu121", "cu121", None),
        ("issue_form_titles", "2.6.0", "", None),
        ("json", "2.3.1+cu121", "cu121", True),
        ("kohya", "2.5.1+cu124", "cu124", True),
        ("lerobot", "2.7.1+cu126", "cu126", True),
        ("lightning", "2.0.0", "cu118", True),
        ("llamafactory_cpu", "2.6.0+cpu", "cpu", None),
        ("markdown_table", "2.1.2+cu118", "cu118", True),
        ("sdnext", "2.4.1+cu124", "cu124", True),
        ("sglang", "2.8.0+cu128", "cu128", True),
        ("shell_wsl", "2.4.1+cu121", "cu121", True),
        ("transformers_457_mac", "2.8.0", "", None),
        ("unsloth_2024", "2.3.1+cu121", "cu121", True),
        ("unsloth_2025", "2.8.0+cu128", "cu128", True),
        ("unsloth_rocm", "2.8.0+rocm6.4", "rocm6.4", True),
        ("xformers_info", "2.6.0+cu124", "cu124", True),
        ("yaml", "2.0.1", "", None),
    ],
)
def test_the_build_and_whether_it_sees_a_gpu(
    name: str, version: str, variant: str, available: bool | None
) -> None:
    facts = _facts(_text(name))
    torch, run = facts[TorchBuild], facts.get(Runtime)
    assert isinstance(torch, TorchBuild)
    assert (torch.version, torch.variant) == (version, variant)
    assert (run.gpu_available if isinstance(run, Runtime) else None) is available


@pytest.mark.parametrize(
    ("name", "gpus"),
    [
        ("accelerate_021", ["NVIDIA RTX A6000"]),
        ("by_hand", ["RTX 3060"]),
        ("by_hand_chinese", ["RTX 3090"] * 2),
        ("check_script", ["NVIDIA GeForce RTX 3090"] * 2),
        ("detectron2", ["NVIDIA GeForce RTX 3090"] * 2),
        ("diffusers_a10g", ["NVIDIA A10G"] * 3),
        ("issue_form_titles", ["RTX 3090"]),
        ("kohya", ["NVIDIA GeForce RTX 4090"]),
        ("lightning", ["NVIDIA GeForce RTX 3090"] * 2),
        ("sglang", ["NVIDIA H100 80GB HBM3"] * 4),
        ("unsloth_2024", ["Tesla T4"]),
        ("unsloth_2025", ["NVIDIA A100-SXM4-40GB"] * 2),
        ("xformers_info", ["NVIDIA GeForce RTX 4090"]),
    ],
)
def test_nvidia_gpus(name: str, gpus: list[str]) -> None:
    found = _of(name, NvidiaGpus).gpus
    assert [gpu.name for gpu in found] == gpus
    assert all(gpu.compute_capability for gpu in found)


def test_what_a_row_of_each_tool_says() -> None:
    assert _of("unsloth_2024", NvidiaGpus).gpus[0].compute_capability == "7.5"
    assert _of("diffusers_a10g", NvidiaGpus).gpus[2].memory_total == 23028 << 20
    assert _of("collect_env_mig", NvidiaGpus).gpus[0].mig_instances == 2
    assert _of("collect_env_orin", NvidiaGpus).gpus[0].unified_memory
    assert "Jetson" in _of("collect_env_orin", Host).model
    assert _of("bitsandbytes_043", NvidiaGpus).gpus[0].compute_capability == "7.5"
    assert _of("detectron2", TorchBuild).archs == ("sm_37", "sm_86")
    assert _of("detectron2", NvidiaDriver).version == "470.82.01"
    assert _of("sdnext", NvidiaDriver).version == "550.90.07"
    assert _of("sglang", NvidiaDriver).version == "570.124.06"
    assert _of("ds_report", Compilers).nvcc_version == "12.3"
    assert _of("ds_report", SharedMemory).total == int(251.77 * (1 << 30))
    assert _of("accelerate_021", Memory).total == int(503.55 * (1 << 30))
    assert _of("comfyui_rocm", Memory).total == 64208 << 20
    assert _of("comfyui_rocm", RocmStack).version == "6.3"
    assert [(g.gfx, g.name) for g in _of("comfyui_rocm", AmdGpus).gpus] == [
        ("gfx1100", "AMD Radeon RX 7900 XTX")
    ]
    assert _of("unsloth_rocm", AmdGpus).gpus[0].gfx == "gfx942"
    assert _of("collect_env_xpu", IntelGpu).names == ("Intel(R) Arc(TM) B580 Graphics",)
    assert _of("vllm_tail", Environment).get("PYTORCH_NVML_BASED_CUDA_CHECK") == "1"
    assert _of("vllm_tail", Container).kind == "docker"
    assert _of("hf_env", Environment).get("HF_HUB_OFFLINE") == "False"


def test_secrets_stay_out() -> None:
    assert _of("vllm_tail", Environment).get("HF_TOKEN") == "set"
    assert "somebody" not in repr(_facts(_text("hf_env")))


@pytest.mark.parametrize(
    ("name", "os", "system", "machine", "wsl"),
    [
        ("collect_env_orin", "linux", "Ubuntu 22.04.4 LTS", "aarch64", 0),
        ("issue_form_bold", "windows", "Windows 11 Pro 23H2", "", 0),
        ("kohya", "windows", "Windows", "amd64", 0),
        ("llamafactory_cpu", "windows", "Windows 11", "", 0),
        ("sdnext", "linux", "Linux", "x86_64", 0),
        ("shell_wsl", "linux", "linux", "", 2),
        ("transformers_457_mac", "macos", "macOS 15.6", "arm64", 0),
        ("transformers_5_no_torch", "windows", "Windows 11", "", 0),
    ],
)
def test_systems(name: str, os: str, system: str, machine: str, wsl: int) -> None:
    host = _of(name, Host)
    assert (host.os, host.name, host.machine, host.wsl) == (os, system, machine, wsl)


def test_a_mac_is_not_asked_for_cuda() -> None:
    assert _of("transformers_457_mac", TorchBuild).accelerator == "mps"
    assert _of("transformers_457_mac", AppleGpu).name.startswith("Apple")


def test_darwin_numbers() -> None:
    text = '"version": "Darwin Kernel Version 24.0.0: Tue; root:xnu-1/RELEASE_X86_64"\nkernel: Darwin Kernel Version 24.0.0: root/RELEASE_X86_64\n'
    host = _facts(text)[Host]
    assert isinstance(host, Host)
    assert (host.macos_version, host.machine) == ("15", "x86_64")


def test_libraries() -> None:
    packages = _of("sglang", Packages)
    assert packages.version("sgl-kernel") == "0.3.9.post2"
    assert packages.version("torchao") == ""
    assert not packages.complete
    assert _of("a1111", Packages).version("xformers") == "0.0.23.post1"
    assert _of("hf_env", Packages).version("huggingface-hub") == "0.34.4"


def test_torch_that_is_told_to_be_missing() -> None:
    assert _of("transformers_5_no_torch", Missing).package == "torch"
    text = "PyTorch version: N/A\nIs CUDA available: N/A\nPython platform: Linux-6.8.0\n[pip3] torch==2.9.0\n"
    found = _facts(text)
    run = found[Runtime]
    assert Missing not in found
    assert isinstance(run, Runtime)
    assert run.stages[0].outcome == "failed"


def test_one_line_of_versions() -> None:
    facts = _facts("peft main (5779b17), transformers 4.57.6, torch 2.13.0, python 3.12\n")
    packages, python = facts[Packages], facts[Interpreter]
    assert isinstance(packages, Packages)
    assert isinstance(python, Interpreter)
    assert (packages.version("transformers"), packages.version("torch"), python.version) == (
        "4.57.6",
        "2.13.0",
        "3.12",
    )
    assert Runtime not in facts


def test_processors_of_lscpu() -> None:
    text = "PyTorch version: 2.5.1\nCPU:\nArchitecture: x86_64\nCPU op-mode(s): 32-bit, 64-bit\nCPU(s): 96\nModel name: AMD EPYC 7V13\n"
    cpu = _facts(text)[Cpu]
    assert isinstance(cpu, Cpu)
    assert (cpu.count, cpu.model) == (96, "AMD EPYC 7V13")


def test_numbers_of_gpus_that_torch_was_not_shown() -> None:
    """ "GPU type" names one of four; a list of all would make the variable wrong."""
    text = "- PyTorch version: 2.5.1+cu124 (GPU)\n- GPU type: NVIDIA A100-SXM4-80GB\nCUDA_VISIBLE_DEVICES=0,1,2,3 torchrun x.py\n"
    assert Environment not in _facts(text)
    whole = "GPU models and configuration: GPU 0: NVIDIA A10\nCUDA_VISIBLE_DEVICES=3 python x.py\n"
    assert Environment in _facts(whole)


def test_a_point_of_a_list_that_is_one_card_names_the_gpu() -> None:
    """The model has to be the whole point; two models are what was tried, or what is supported."""
    setup = "## My setup\n\n- {}\n- torch: 2.1.0\n"
    amd = _facts(setup.format("AMD RX 6800XT"))[AmdGpus]
    assert isinstance(amd, AmdGpus)
    assert [card.gfx for card in amd.gpus] == ["gfx1030"]
    nvidia = _facts(setup.format("NVIDIA RTX 3090"))[NvidiaGpus]
    assert isinstance(nvidia, NvidiaGpus)
    assert [card.compute_capability for card in nvidia.gpus] == ["8.6"]
    for text in ("RTX 3090 runs out of memory", "RTX 3090\n- RTX 4090", "5700 steps", "A100x"):
        assert NvidiaGpus not in _facts(setup.format(text)), text


@pytest.mark.parametrize(
    "text",
    [
        "I upgraded to torch 2.1 and it still fails. GPU memory is full. Python 3.10 is not supported?",
        "Device: I don't know. Driver: me. System: fine. Note: 4090 steps were done; loss: 3.14",
        "Windows are open. Ubuntu is nice, and Debian too.",
        "Using device: cuda\nimage: cat.png\nGPU: yes\nName: Bob\nversion: 1.2.3",
        "transformers 4.56.1 requires huggingface-hub<1.0,>=0.34.0, but you have huggingface-hub 1.0.0",
        "torchvision 0.17.0 depends on torch==2.2.0",
        'accelerate launch train.py --gpu_ids all\nmodel = load("x")\nMAX_LENGTH = 512\n',
        "RuntimeError: HIP error: invalid device function",
        "GPU Memory Usage: high | Driver: update it | Python: latest",
        "The system: a memory of 12 GB. OS: any",
        "[NO] ....... [OKAY]\nasync_io ............... [NO] ....... [NO]",
    ],
)
def test_prose_and_other_texts_say_nothing(text: str) -> None:
    assert read(tidy(text)) == []


DAMAGE: dict[str, Callable[[str], str]] = {
    "quoted": lambda t: "\n".join(f"> {line}" for line in t.splitlines()),
    "indented": lambda t: "\n".join(f"    {line}" for line in t.splitlines()),
    "crlf": lambda t: t.replace("\n", "\r\n"),
    "coloured": lambda t: "\n".join(f"\x1b[32m{line}\x1b[0m" for line in t.splitlines()),
    "fenced": lambda t: f"Hello\n```\n{t}\n```\nthanks",
    "twice": lambda t: f"{t}\n{t}",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("*.txt")))
def test_what_pasting_does_changes_nothing(name: str, damage: str) -> None:
    text = _text(name)
    assert _facts(DAMAGE[damage](text)) == _facts(text)


LINES = [line for p in sorted(SAMPLES.glob("*.txt")) for line in p.read_text().splitlines()]


@given(st.text())
def test_any_text(text: str) -> None:
    read(tidy(text))


@settings(max_examples=60)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=60), max_size=40))
def test_any_mixture_of_lines(lines: list[str]) -> None:
    read(tidy("\n".join(lines)))


@pytest.mark.parametrize(
    "block",
    [
        "GPU 0: A100 ",
        "torch 2.1.0, ",
        '{"a": 1, ',
        ">>> print(torch.__version__, (",
        "export A=1 ",
        "a",
        "= ",
        "| ",
        "(",
        "[pip3] numpy==1.2 ",
        "12:00:00 INFO x: ",
        "Python 3.10 ",
    ],
)
def test_a_large_text_takes_linear_time(block: str) -> None:
    def cpu(times: int, repeat: int) -> float:
        lines = [f"{i} {block * repeat}" for i in range(times)]
        began = time.process_time()
        read(lines)
        return time.process_time() - began

    cpu(20, 10)
    assert cpu(2000, 10) < 40 * max(cpu(200, 10), 0.005)
    assert cpu(20, 1000) < 40 * max(cpu(20, 100), 0.005)


@pytest.mark.parametrize(
    ("text", "accelerator", "cuda"),
    [
        ("PyTorch version: 2.1.0\nCUDA available: False\nCUDA version: None\n", "cpu", ""),
        ("PyTorch version: 2.1.0\nCUDA available: True\nCUDA version: 12.1\n", "cuda", "12.1"),
        ("torch: 2.1.0\nCUDA: 12.1\n", "unknown", ""),
        ("torch: 2.1.0+rocm5.6\nCUDA available: True\nCUDA version: None\n", "rocm", ""),
        ("torch: 2.6.0a0+df5bbc09d1.nv24.12\n", "cuda", ""),
        (
            "torch 2.0.0\nrocBLAS error: Cannot read /x/torch/lib/rocblas/library/T.dat\n",
            "rocm",
            "",
        ),
    ],
)
def test_what_torch_was_built_for(text: str, accelerator: str, cuda: str) -> None:
    torch = _facts(text)[TorchBuild]
    assert isinstance(torch, TorchBuild)
    assert (torch.accelerator, torch.cuda) == (accelerator, cuda)


def test_a_gpu_that_a_sentence_names() -> None:
    found = _facts("Hi, I'm on Ubuntu 22.04 with an RTX 4090 and torch crashes.\n")[NvidiaGpus]
    assert isinstance(found, NvidiaGpus)
    assert [(g.name, g.compute_capability) for g in found.gpus] == [("RTX 4090", "8.9")]
    assert read(["I have an RTX 4090; with a Tesla T4 it works."]) == []


def test_a_python_under_rosetta() -> None:
    text = "PyTorch version: 2.2.2\nOS: macOS 14.5 (x86_64)\nPython version: 3.10.4 (main) [Clang 13.0.0 (clang-1300.0.29.30)]\nPython platform: macOS-14.5-x86_64-i386-64bit\nCPU:\nApple M1 Pro\n"
    facts = _facts(text)
    host, python = facts[Host], facts[Interpreter]
    assert isinstance(host, Host)
    assert isinstance(python, Interpreter)
    assert (host.rosetta, host.machine, python.machine) == (True, "arm64", "x86_64")
    intel = _facts(text.replace("Apple M1 Pro", "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"))[Host]
    assert isinstance(intel, Host)
    assert (intel.rosetta, intel.machine) == (False, "x86_64")


def test_reports_glued_together() -> None:
    text = "Thanks!PyTorch version: 2.1.0+cu118\n[conda] Could not collectCollecting environment information...\nPyTorch version: 2.0.0\n"
    torch = _facts(text)[TorchBuild]
    assert isinstance(torch, TorchBuild)
    assert torch.version == "2.1.0+cu118"


@pytest.mark.parametrize(
    "text",
    [
        "Environment: Ubuntu 22.04, Python 3.10, PyTorch 2.1.0+cu121, CUDA 12.1, RTX 4090 24GB",
        "Ubuntu 22.04 / Python 3.10 / torch 2.1.0+cu121 / RTX 4090",
        "OS: Ubuntu 22.04, GPU: RTX 4090, Python 3.10, torch: 2.1.0+cu121",
        "OS: Ubuntu 22.04 | Python: 3.10 | torch: 2.1.0+cu121 | GPU: RTX 4090",
        "OS -> Ubuntu 22.04\npython -> 3.10\ntorch -> 2.1.0+cu121\nGPU -> RTX 4090",
        "OS=Ubuntu 22.04\nPython=3.10\nTorch=2.1.0+cu121\nGPU=RTX 4090",
    ],
)
def test_a_setup_in_one_row_or_several(text: str) -> None:
    facts = _facts(text)
    host, python = facts[Host], facts[Interpreter]
    torch, gpus = facts[TorchBuild], facts[NvidiaGpus]
    assert isinstance(host, Host)
    assert isinstance(python, Interpreter)
    assert isinstance(torch, TorchBuild)
    assert isinstance(gpus, NvidiaGpus)
    assert (host.name, python.version, torch.variant) == ("Ubuntu 22.04", "3.10", "cu121")
    assert [(g.name, g.compute_capability) for g in gpus.gpus] == [("RTX 4090", "8.9")]


def test_the_first_issue_form_of_torch() -> None:
    text = """ - PyTorch Version (e.g., 1.0): 1.7.1
 - OS (e.g., Linux): Linux Ubuntu 20.04
 - How you installed PyTorch (`conda`, `pip`, source): conda
 - Python version: 3.8
 - CUDA/cuDNN version: CUDA 11.0, cuDNN 8.0.5
 - GPU models and configuration: GeForce RTX 2070, driver 450.102.04
"""
    facts = _facts(text)
    torch, gpus = facts[TorchBuild], facts[NvidiaGpus]
    assert isinstance(torch, TorchBuild)
    assert isinstance(gpus, NvidiaGpus)
    assert torch.version == "1.7.1"
    assert gpus.gpus[0].compute_capability == "7.5"
    assert facts[NvidiaDriver] == NvidiaDriver(version="450.102.04", source="report")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2024-05-29 17:29:37,786 - INFO - PyTorch version 2.0.1 available.", "2.0.1"),
        ("**Pytorch 2.0.1** (with the same cuda 11.8)", "2.0.1"),
        ("PyTorch version: 1.8.0 (torchvision: 0.9.0)", "1.8.0"),
        ("Torch version: torch==2.3.0+rocm6.0", "2.3.0+rocm6.0"),
        ("torch: '2.1.0a0+git295f2ed'", "2.1.0a0+git295f2ed"),
        (
            "PyTorch  2.6.0+cu124 with CUDA 1204 (you have 2.8.0.dev20250331+cu128)",
            "2.8.0.dev20250331+cu128",
        ),
    ],
)
def test_versions_of_torch(text: str, version: str) -> None:
    torch = _facts(text)[TorchBuild]
    assert isinstance(torch, TorchBuild)
    assert torch.version == version


def test_a_python_with_its_system() -> None:
    python = _facts("00:41:12-957464 INFO     Python 3.11.3 on Linux\n")[Interpreter]
    assert isinstance(python, Interpreter)
    assert python.version == "3.11.3"


@pytest.mark.parametrize("how", ["pip", "pip3", "conda", "uv"])
def test_the_installer_in_front_of_a_row_is_no_package_of_it(how: str) -> None:
    rows = {
        "conda": "[conda] numpy 1.26.4 py311_0\n[conda] torch 2.1.0 py3.11",
    }.get(how, f"[{how}] numpy==1.26.4\n[{how}] torch==2.1.0")
    packages = _facts(rows)[Packages]
    assert isinstance(packages, Packages)
    assert {one.name: one.version for one in packages.distributions} == {
        "numpy": "1.26.4",
        "torch": "2.1.0",
    }
