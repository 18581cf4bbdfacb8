"""The system, its memory and disks, containers, libraries and interpreters, as tools tell of them."""

from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import (
    AppleGpu,
    Compilers,
    Container,
    Disks,
    Errors,
    Fact,
    FileLimit,
    Host,
    Launchers,
    LibraryPath,
    Memory,
    Runtime,
    SharedMemory,
    Target,
)
from tunedoctor.readers.system.memory import size
from tunedoctor.readers.system.read import read
from tunedoctor.readers.system.shell import shown
from tunedoctor.readers.tidy import tidy

SHARED = Path(__file__).parents[4] / "shared" / "samples"
F = TypeVar("F", bound=Fact)
GIB = 1 << 30


def facts(text: str) -> list[Fact]:
    return read(tidy(text))


def of(kind: type[F], text: str) -> F | None:
    return next((one for one in facts(text) if isinstance(one, kind)), None)


def only(kind: type[F], text: str) -> F:
    (fact,) = (one for one in facts(text) if isinstance(one, kind))
    return fact


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("the recorded outputs beside the repository are not here")
    return (SHARED / name).read_text()


@pytest.mark.parametrize(
    ("line", "command", "env"),
    [
        ("$ lspci -k", "lspci -k", ""),
        ("(venv) jo@box:~/x$ pip list", "pip list", "venv"),
        ("(base) [jo@box x]$ free -h", "free -h", "base"),
        ("root@ab12:/workspace# nvidia-smi", "nvidia-smi", ""),
        (r"(venv) PS C:\work> python -V", "python -V", "venv"),
        (r"F:\work>py -3.11 -m venv venv", "py -3.11 -m venv venv", ""),
        ("# lsmod", "lsmod", ""),
        ("### `df -h`", "df -h", ""),
    ],
)
def test_prompts(line: str, command: str, env: str) -> None:
    (one,) = shown([line, "answer"])
    assert (one.command, one.env, one.output) == (command, env, ("answer",))


@pytest.mark.parametrize(
    "line", ["# My machine", "## Steps to reproduce", "100% of it", "a > b", "> quoted"]
)
def test_what_is_no_prompt(line: str) -> None:
    assert shown([line]) == []


def test_commands_over_several_lines() -> None:
    (one,) = shown(["$ docker run -it \\", "  --gpus all \\", "  image", "out"])
    assert one.output == ("out",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'NAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu',
            ("linux", "Ubuntu 22.04", "ubuntu", "", 0),
        ),
        (
            "Distributor ID:\tUbuntu\nDescription:\tUbuntu 20.04.6 LTS\nRelease:\t20.04",
            ("linux", "Ubuntu 20.04", "ubuntu", "", 0),
        ),
        (
            "Linux box 5.15.90.1-microsoft-standard-WSL2 #1 SMP Fri Jan 27 x86_64 x86_64 x86_64 GNU/Linux",
            ("linux", "Linux", "", "x86_64", 2),
        ),
        (
            "Linux box 4.4.0-19041-Microsoft #1237-Microsoft Sat Sep 11 x86_64 GNU/Linux",
            ("linux", "Linux", "", "x86_64", 1),
        ),
        (
            "Darwin mac.local 23.1.0 Darwin Kernel Version 23.1.0: root:xnu/RELEASE_ARM64 arm64",
            ("macos", "macOS", "", "arm64", 0),
        ),
        (
            "  Operating System: Ubuntu 22.04.3 LTS\n            Kernel: Linux 6.2.0-26-generic\n      Architecture: x86-64",
            ("linux", "Ubuntu 22.04", "", "x86_64", 0),
        ),
        (
            "OS Name:                   Microsoft Windows 11 Pro\nOS Version:                10.0.22631 N/A Build 22631",
            ("windows", "Windows 11", "", "", 0),
        ),
        (
            "  NAME            STATE           VERSION\n* Ubuntu-22.04    Running         1\n  docker-desktop  Running         2",
            ("linux", "Linux", "", "", 1),
        ),
        (
            "  NAME            STATE           VERSION\n  Old    Stopped         1\n* Ubuntu  Running         2",
            ("linux", "Linux", "", "", 2),
        ),
    ],
)
def test_hosts(text: str, expected: tuple[str, ...]) -> None:
    host = only(Host, text)
    assert (host.os, host.name, host.distro, host.machine, host.wsl) == expected


def test_the_c_library_and_the_board() -> None:
    host = only(Host, "ldd (Ubuntu GLIBC 2.27-3ubuntu1.6) 2.27\nCopyright (C) 2018")
    assert (host.libc, host.libc_version) == ("glibc", "2.27")
    host = only(Host, "musl libc (x86_64)\nVersion 1.2.4\n")
    assert (host.libc, host.libc_version) == ("musl", "1.2.4")
    assert (
        only(Host, "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref").model
        == "NVIDIA Jetson"
    )
    assert only(Host, shared("os-release_ubuntu.txt")).distro == "ubuntu"


HEAD = "               total        used        free      shared  buff/cache   available\n"


@pytest.mark.parametrize(
    ("text", "total", "available"),
    [
        (
            HEAD
            + "Mem:            31Gi       5.2Gi        18Gi       312Mi       7.6Gi        25Gi",
            31 * GIB,
            25 * GIB,
        ),
        (
            "$ free -m\n"
            + HEAD
            + "Mem:          32768        5201        1823         312       25033       16384",
            32 * GIB,
            16 * GIB,
        ),
        (
            "$ free -g\n"
            + HEAD
            + "Mem:            125          11           5           0         108         112",
            125 * GIB,
            112 * GIB,
        ),
        (
            HEAD
            + "Mem:       33554432     3456780      823456      123456    12023192    16777216",
            32 * GIB,
            16 * GIB,
        ),
        (
            "Speicher:       31Gi       5,2Gi        18Gi       312Mi       7,6Gi        25Gi",
            31 * GIB,
            25 * GIB,
        ),
        (
            "             total       used       free     shared    buffers     cached\nMem:           15G        12G       3G       100M       200M       5.0G",
            15 * GIB,
            5 * GIB,
        ),
        (
            "MemTotal:       33554432 kB\nMemFree:         1024 kB\nMemAvailable:   16777216 kB",
            32 * GIB,
            16 * GIB,
        ),
        (
            "Total Physical Memory:     32.768 MB\nAvailable Physical Memory: 16,384 MB",
            32 * GIB,
            16 * GIB,
        ),
    ],
)
def test_ram(text: str, total: int, available: int) -> None:
    memory = only(Memory, text)
    assert (memory.total, memory.available) == (total, available)


def test_recorded_ram() -> None:
    assert only(Memory, shared("proc_meminfo.txt")).total == 4093206528


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("31Gi", 31 * GIB), ("1.5T", 3 * 512 * GIB), ("0B", 0), ("5,5G", 11 * GIB // 2), ("x", 0)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


DF = """\
Filesystem      Size  Used Avail Use% Mounted on
tmpfs           3.2G  2.3M  3.2G   1% /run
overlay         100G   99G  200M 100% /
shm              64M     0   64M   0% /dev/shm
/dev/sdb1       2.0T  1.0T  900G  53% /home
/dev/loop1       60M   60M     0 100% /snap/core18/2128
"""


def test_df() -> None:
    assert only(SharedMemory, DF).total == 64 << 20
    found = {disk.use: disk for disk in only(Disks, DF).disks}
    assert (found["tmp"].path, found["tmp"].free) == ("/tmp", 200 << 20)
    assert (found["work"].path, found["work"].free) == ("/home", 900 * GIB)


def test_limits_of_files() -> None:
    assert only(FileLimit, "open files                      (-n) 256").soft == 256
    assert only(FileLimit, "$ ulimit -n\n1024\n$ ulimit -Hn\n1048576") == FileLimit(
        soft=1024, hard=1048576
    )


@pytest.mark.parametrize(
    ("text", "kind", "asked"),
    [
        ("$ docker run --gpus all -it nvcr.io/nvidia/pytorch:24.01-py3", "docker", True),
        (
            "$ docker run -it \\\n   --ipc=host \\\n   --device=/dev/kfd --device=/dev/dri rocm/pytorch",
            "docker",
            True,
        ),
        ("$ sudo docker run --rm -it -v $(pwd):/w image python train.py", "docker", False),
        ("$ nvidia-docker run -it image bash", "docker", True),
        ("$ podman run --device nvidia.com/gpu=all image python train.py", "podman", True),
        ("$ apptainer exec --nv image.sif python train.py", "apptainer", True),
        ("$ singularity exec image.sif python train.py", "apptainer", False),
        (
            "services:\n  train:\n    image: x\n    deploy:\n      resources:\n        reservations:\n          devices:\n            - capabilities: [gpu]",
            "docker",
            True,
        ),
        ("services:\n  train:\n    image: x\n", "docker", False),
        ('resources:\n  limits:\n    nvidia.com/gpu: "1"', "kubernetes", True),
    ],
)
def test_how_a_container_was_started(text: str, kind: str, asked: bool) -> None:
    container = only(Container, text)
    assert (container.kind, container.gpu_asked) == (kind, asked)


def test_trying_a_gpu_out_is_no_container_to_train_in() -> None:
    assert of(Container, "$ docker run --rm --gpus all ubuntu nvidia-smi") is None
    assert of(Container, "I use docker and docker compose.") is None


@pytest.mark.parametrize(
    "text",
    [
        'could not select device driver "" with capabilities: [[gpu]].',
        "unknown or invalid runtime name: nvidia.",
        "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open",
        "failed to discover GPU vendor from CDI: no known GPU vendor found",
        'failed to stat CDI host device "/dev/nvidia-modeset": no such file or directory',
        'error gathering device information while adding custom device "/dev/kfd": no such file or directory',
        "2 Insufficient nvidia.com/gpu.",
    ],
)
@pytest.mark.parametrize(
    "before", ["", "docker: Error response from daemon: ", "> Warning  FailedScheduling  "]
)
def test_what_engines_say(text: str, before: str) -> None:
    assert text in [error.text for error in only(Errors, before + text).errors]


NVIDIA = "venv/lib/python3.12/site-packages/nvidia/cusparse/lib/libcusparse.so.12"


def test_a_foreign_library_wins() -> None:
    text = f"$ ldd {NVIDIA}\n\tlibnvJitLink.so.12 => /usr/local/cuda-12.1/lib64/libnvJitLink.so.12 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x0)"
    (shadow,) = only(LibraryPath, text).shadows
    assert (shadow.library, shadow.version) == ("libnvJitLink", "12")
    assert (
        of(
            LibraryPath,
            text.replace("/usr/local/cuda-12.1/lib64", "/x/site-packages/nvidia/nvjitlink/lib"),
        )
        is None
    )
    # an extension counts on what torch has loaded
    assert (
        of(
            LibraryPath,
            text.replace("/nvidia/cusparse/lib/libcusparse.so.12", "/bitsandbytes/lib.so"),
        )
        is None
    )


BITSANDBYTES = "/opt/venv/lib/python3.12/site-packages/bitsandbytes/libbitsandbytes_xpu.so"


@pytest.mark.parametrize(
    ("torch", "lacks"),
    [
        (
            "libsycl.so.9 => /opt/venv/lib/libsycl.so.9 (0x0)",
            ["libbitsandbytes_xpu.so: libsycl.so.8 => not found; torch loads libsycl.so.9"],
        ),
        ("libsycl.so.8 => /opt/venv/lib/libsycl.so.8 (0x0)", []),
        ("libc.so.6 => /lib/libc.so.6 (0x0)", []),
    ],
)
def test_what_an_extension_does_not_find_is_told_where_torch_brings_another(
    torch: str, lacks: list[str]
) -> None:
    text = f"$ ldd {BITSANDBYTES}\n\tlibsycl.so.8 => not found\n\n$ ldd .../torch/lib/libtorch_xpu.so\n\t{torch}\n"
    told = [one for one in facts(text) if isinstance(one, Errors)]
    assert [error.text for one in told for error in one.errors] == lacks


def test_a_library_that_is_not_found() -> None:
    text = f"$ ldd {NVIDIA}\n\tlibcublas.so.12 => not found"
    assert [error.text for error in only(Errors, text).errors] == ["libcublas.so.12 => not found"]
    assert (
        of(Errors, text.replace("/nvidia/cusparse/lib/libcusparse.so.12", "/torchvision/_C.so"))
        is None
    )


def test_compilers() -> None:
    assert only(Compilers, "Cuda compilation tools, release 12.4, V12.4.131") == Compilers(
        cc=None, cxx=None, nvcc="nvcc", nvcc_version="12.4"
    )
    assert only(Compilers, "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0").cc == "gcc"
    assert only(Compilers, "sh: 1: gcc: not found").cc == ""


def test_apple() -> None:
    assert (
        only(AppleGpu, "      Chipset Model: Apple M1 Pro\n      Type: GPU").name == "Apple M1 Pro"
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (
            "(venv) jo@box:~$ which python pip\n/home/jo/venv/bin/python\n/usr/bin/pip",
            "/usr/bin/pip",
        ),
        (
            "(venv) jo@box:~$ which python\n/home/jo/venv/bin/python\n(venv) jo@box:~$ which torchrun\n/home/jo/.local/bin/torchrun",
            "/home/jo/.local/bin/torchrun",
        ),
        (
            "(venv) jo@box:~$ pip --version\npip 22.0.2 from /usr/lib/python3/dist-packages/pip (python 3.10)\n(venv) jo@box:~$ python --version\nPython 3.12.1",
            "/usr/lib/python3/dist-packages/pip",
        ),
        (
            "(venv) F:\\work>py -3.11 -m pip install torch\nRequirement already satisfied: filelock in C:\\Python3119\\Lib\\site-packages (3.16)",
            "py -3.11 -m pip",
        ),
        (
            "$ source .venv/bin/activate\n(.venv) $ pip install peft\nRequirement already satisfied: peft in /home/jo/.local/lib/python3.10/site-packages (0.17)",
            "pip",
        ),
    ],
)
def test_a_command_that_leaves_the_environment(text: str, path: str) -> None:
    (one,) = only(Launchers, text).launchers
    assert (one.path, one.in_target) == (path, False)
    assert only(Target, text).chosen_by == "VIRTUAL_ENV"


@pytest.mark.parametrize(
    "text",
    [
        "(venv) jo@box:~$ pip --version\npip 24.0 from /home/jo/venv/lib/python3.12/site-packages/pip (python 3.12)\n(venv) jo@box:~$ python --version\nPython 3.12.1",
        "(base) jo@box:~$ which pip\n/usr/bin/pip",
        "jo@box:~$ which python pip\n/usr/bin/python\n/usr/local/bin/pip",
        "(llm) jo@box:~$ pip install peft\nRequirement already satisfied: peft in /home/jo/.local/lib/python3.10/site-packages (0.17)",
        "(venv) jo@box:~$ pip install peft\nRequirement already satisfied: peft in ./venv/lib/python3.10/site-packages (0.17)",
    ],
)
def test_commands_that_stay_in_it(text: str) -> None:
    assert of(Launchers, text) is None


@pytest.mark.parametrize(
    "text",
    ["", "I have 64GB of RAM.", "ID=5", "a | b\n1 | 50%", "Mem: lots", "pip list shows torch 2.1"],
)
def test_prose_gives_nothing(text: str) -> None:
    assert facts(text) == []


WORDS = st.sampled_from(
    [
        "$ ",
        "(venv) ",
        "a@b:~$ ",
        "docker run ",
        "--gpus all",
        " \\\n",
        "\n",
        "Mem: ",
        "1 ",
        "1Gi ",
        "50% /",
        "ID=",
        "which pip\n",
        "/usr/bin/pip\n",
        "ldd /x/site-packages/nvidia/a.so\n",
        "libcudart.so.12 => ",
        "not found",
        "NAME STATE VERSION\n",
        "* U Running 1\n",
        "VERSION_ID='",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=60).map("".join))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(facts(text), list)


@given(st.sampled_from(["> ", "    ", "  > "]))
def test_quoting_changes_nothing(before: str) -> None:
    quoted = "\r\n".join(before + line for line in DF.splitlines())
    assert {type(one) for one in facts(quoted)} == {type(one) for one in facts(DF)}


def test_a_prompt_inside_a_container() -> None:
    text = "root@3f2a1b4c5d6e:/workspace# nvidia-smi\nFailed to initialize NVML: Unknown Error"
    assert only(Container, text) == Container(kind="docker", evidence="the prompt's host name")
    assert of(Container, "jo@deadbeefcafe:~$ ls") is None
    assert of(Container, "jo@workstation1:~$ ls") is None


@pytest.mark.parametrize(
    ("text", "archs"),
    [
        (
            (
                "$ roc-obj-ls venv/lib/python3.12/site-packages/torch/lib/libtorch_hip.so\n"
                "1       host-x86_64-unknown-linux--          file://libtorch_hip.so#offset=1&size=0\n"
                "1       hipv4-amdgcn-amd-amdhsa--gfx1100     file://libtorch_hip.so#offset=2&size=9\n"
                "1       hipv4-amdgcn-amd-amdhsa--gfx90a:xnack-  file://libtorch_hip.so#offset=3&size=9"
            ),
            ("gfx1100", "gfx90a"),
        ),
        (
            (
                "$ cuobjdump --list-elf torch/lib/libtorch_cuda.so\n"
                "ELF file    1: libtorch_cuda.1.sm_50.cubin\nELF file    2: libtorch_cuda.2.sm_90a.cubin"
            ),
            ("sm_50", "sm_90a"),
        ),
    ],
)
def test_architectures_in_a_library(text: str, archs: tuple[str, ...]) -> None:
    assert only(Runtime, text).archs == archs
    assert of(Runtime, text.replace("libtorch", "librocblas")) is None


@pytest.mark.parametrize(
    ("text", "wsl"),
    [
        ("Your kernel headers for kernel 4.4.0-19041-Microsoft cannot be found.", 1),
        ("### Microsoft Windows [Version 10.0.17763.292]\n#### Ubuntu app WSL:", 1),
        ("Microsoft Windows [Version 10.0.17763.292]\nfrom PowerShell", 0),
        ("Microsoft Windows [Version 10.0.19041.292]\nin WSL", 0),
    ],
)
def test_the_first_wsl(text: str, wsl: int) -> None:
    found = of(Host, text)
    assert (found.wsl if found else 0) == wsl


def test_a_chip_alone_on_its_line() -> None:
    found = only(Host, "Python 3.10.13\nApple M2 Pro")
    assert (found.os, found.machine) == ("macos", "arm64")
    assert of(Host, "trained on an Apple M2 of a friend") is None


@pytest.mark.parametrize(
    ("activated", "python", "count"),
    [
        ("conda activate ft", "/opt/anaconda3/bin/python", 1),
        ("conda activate ft", "/opt/anaconda3/envs/ft/bin/python", 0),
        ("conda activate ft", "/usr/bin/python3", 0),
        ("conda activate base", "/opt/anaconda3/bin/python", 0),
        ("conda activate /data/envs/ft", "/opt/anaconda3/bin/python", 0),
        ("conda activate ft, then conda activate other", "/opt/anaconda3/bin/python", 0),
    ],
)
def test_a_build_under_the_base_of_conda(activated: str, python: str, count: int) -> None:
    text = f"I did {activated}\n     command: {python} -c 'import sys, setuptools' egg_info"
    found = of(Launchers, text)
    assert (len(found.launchers) if found else 0) == count
