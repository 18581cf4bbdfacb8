"""Lists of packages of all tools become one state; what is wanted is never stated to be there."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Fact, Interpreter, Packages, TorchBuild, Wanted
from tunedoctor.readers import package_lists
from tunedoctor.readers.missing import Missing
from tunedoctor.readers.tidy import tidy

F = TypeVar("F", bound=Fact)

NAMES = (
    *("absl-py", "accelerate", "aiohttp", "certifi", "datasets", "filelock", "huggingface-hub"),
    *("numpy", "packaging", "peft", "pip", "pyyaml", "safetensors", "tokenizers", "tqdm"),
    *("transformers", "trl", "urllib3", "wheel"),
)
WHOLE = "Package            Version\n------------------ ----------\n" + "".join(
    f"{name:18} 1.{i}.0\n" for i, name in enumerate(NAMES)
)
PIP_LIST = """\
Package                  Version      Editable project location
------------------------ ------------ -------------------------
accelerate               1.2.1
my-trainer               0.1.0        /home/sam/my trainer
nvidia-cuda-runtime-cu12 12.4.127
torch                    2.6.0
transformers             4.48.0
"""
FREEZE = """\
$ pip freeze
accelerate==1.2.1
certifi @ file:///croot/certifi_1671487769961/certifi
-e git+https://github.com/huggingface/trl.git@0123abc#egg=trl
flash_attn @ https://example.org/flash_attn-2.7.4.post1-cp311-cp311-linux_x86_64.whl
# Editable install with no version control (llamafactory==0.9.3)
-e /home/sam/LLaMA-Factory
torch==2.6.0+cu124
"""
CONDA = """\
# packages in environment at /opt/conda/envs/ft:
#
# Name                    Version                   Build  Channel
_libgcc_mutex             0.1                        main
numpy                     1.26.4          py39h1f4e10f_0    conda-forge
openssl                   3.0.2                h166bdaf_1   conda-forge
python                    3.9.18          h955ad1f_0_cpython
pytorch                   2.1.0           py3.9_cuda11.8_cudnn8.7.0_0    pytorch
transformers              4.35.0                   pypi_0    pypi
"""


def _facts(text: str) -> list[Fact]:
    return package_lists.read(tidy(text))


def _one(text: str, kind: type[F]) -> F | None:
    found = [f for f in _facts(text) if isinstance(f, kind)]
    assert len(found) <= 1
    return found[0] if found else None


def _versions(text: str) -> dict[str, str]:
    packages = _one(text, Packages)
    return {d.name: d.version for d in packages.distributions} if packages else {}


def _wanted(text: str) -> set[tuple[str, str]]:
    wanted = _one(text, Wanted)
    return {(r.name, r.specifier) for r in wanted.requirements} if wanted else set()


def test_pip_list() -> None:
    assert _versions(PIP_LIST) == {
        "accelerate": "1.2.1",
        "my-trainer": "0.1.0",
        "nvidia-cuda-runtime-cu12": "12.4.127",
        "torch": "2.6.0",
        "transformers": "4.48.0",
    }
    packages, build = _one(PIP_LIST, Packages), _one(PIP_LIST, TorchBuild)
    assert packages is not None
    assert build is not None
    own = packages.get("my-trainer")
    assert own is not None
    assert (own.editable, own.location) == (True, "/home/sam/my trainer")
    assert (build.version, build.cuda, build.variant) == ("2.6.0", "12.4", "cu124")
    assert not packages.complete


def test_a_list_without_header_and_cut() -> None:
    text = "...\ntomli    2.2.1\ntorch    2.1.2+cu121\ntorch_scatter   2.1.2+pt22cu121\n......\n"
    assert _versions(text)["torch-scatter"] == "2.1.2+pt22cu121"
    build = _one(text, TorchBuild)
    assert build is not None
    assert build.variant == "cu121"


def test_outdated_shows_what_is_there() -> None:
    text = "Package Version Latest Type\n------- ------- ------ -----\ntorch 2.5.1 2.6.0 wheel\n"
    assert _versions(text) == {"torch": "2.5.1"}


def test_a_whole_list_is_complete_and_tells_what_is_missing() -> None:
    packages = _one(WHOLE, Packages)
    assert packages is not None
    assert packages.complete
    missing = _one(WHOLE, Missing)
    assert missing is not None
    assert missing.kind == "TorchBuild"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("numpy", "...\nnumpy"),
        lambda t: t.split("\n", 2)[2],
        lambda t: t[: t.index("urllib3")],
        lambda t: t.replace("pip  ", "pep  "),
    ],
    ids=["cut in the middle", "no header", "cut at the end", "without pip"],
)
def test_a_list_that_could_be_cut_is_not_complete(change: Callable[[str], str]) -> None:
    packages = _one(change(WHOLE), Packages)
    assert packages is not None
    assert not packages.complete
    assert _one(change(WHOLE), Missing) is None


def test_freeze() -> None:
    assert _versions(FREEZE) == {
        "accelerate": "1.2.1",
        "certifi": "",
        "trl": "",
        "flash-attn": "2.7.4.post1",
        "llamafactory": "0.9.3",
        "torch": "2.6.0+cu124",
    }


@pytest.mark.parametrize(
    "text",
    [
        "torch>=2.4\ntransformers==4.48.0\n",
        "$ cat requirements.txt\ntorch==2.4\ntransformers==4.48.0\n",
        "--index-url https://download.pytorch.org/whl/cu124\ntorch==2.6.0\n",
        "torch==2.6.0 \\\n    --hash=sha256:0123\n",
        "torch==2.6.0    # via accelerate\n",
        "pyproject.toml:\ndependencies = [\n  'torch==2.4',\n  'peft'\n]\n",
        "dependencies:\n  - python=3.10\n  - pytorch=2.1\n  - pip:\n      - peft==0.13\n",
        "[tool.poetry.dependencies]\ntorch = '^2.1'\n".replace("'", '"'),
        "torch==2.9.1\n\nERROR: Could not find a version that satisfies the requirement torch==2.9.1 (from versions: 2.6)\n",
        "Would install 1 package\n + torch==2.6.0\n",
        "Would install torch-2.6.0\n",
        "PackagesNotFoundError: The following packages are not available from current channels:\n\n  - torch==2.9\n",
        "Because only the following versions of torch are available:\n      torch==2.1.0\n      torch==2.1.1\n",
        "The following NEW packages will be INSTALLED:\n\n  pytorch  pytorch::pytorch-2.1.0-py3.9_0\n\nProceed? n\n",
        "ERROR: Cannot install a and b\n\nThe conflict is caused by:\n    The user requested torch==2.2.0\n",
        "pip install torch==2.1.2 \\\n  torchvision==0.16.2\n",
        "I upgraded to torch 2.1 and transformers 4.30 stopped.\n",
        "- torch 2.6.0 is required\n",
        "+torch==2.6.0\n-torch==2.5.0\n",
        "torch (!) 2.6.0  Tensors and networks\n",
    ],
)
def test_what_is_wanted_or_planned_is_not_there(text: str) -> None:
    assert _versions(text) == {}
    assert _one(text, TorchBuild) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("torch>=2.4,<3\nnumpy<2\n", {("torch", ">=2.4,<3"), ("numpy", "<2")}),
        (
            "dependencies = ['torch>=2.4', 'peft[x]; python_version>=\"3.9\"']",
            {("torch", ">=2.4"), ("peft", "")},
        ),
        (
            "dependencies:\n  - python=3.10\n  - conda-forge::pytorch>=2.1\n",
            {("python", "==3.10.*"), ("torch", ">=2.1")},
        ),
        (
            '[tool.poetry.dependencies]\npython = "^3.10"\ntorch = {version = "^0.4.1"}\n',
            {("python", ">=3.10,<4"), ("torch", ">=0.4.1,<0.5")},
        ),
    ],
)
def test_project_files(text: str, wanted: set[tuple[str, str]]) -> None:
    assert _wanted(text) == wanted


def test_conda_list() -> None:
    packages, build = _one(CONDA, Packages), _one(CONDA, TorchBuild)
    python = _one(CONDA, Interpreter)
    assert packages is not None
    assert build is not None
    assert python is not None
    assert packages.version("torch") == "2.1.0"
    assert packages.get("openssl") is None
    assert packages.conda["pytorch"] == "2.1.0 py3.9_cuda11.8_cudnn8.7.0_0"
    assert "transformers" not in packages.conda
    assert (build.cuda, build.conda, build.accelerator) == ("11.8", True, "cuda")
    assert (python.version, python.prefix, python.kind) == ("3.9.18", "/opt/conda/envs/ft", "conda")


@pytest.mark.parametrize(
    ("row", "accelerator", "cuda"),
    [
        ("pytorch 2.1.0 py3.9_cpu_0 pytorch", "cpu", ""),
        ("pytorch 2.4.1 cpu_generic_py311h8ca351a_0 conda-forge", "cpu", ""),
        ("pytorch 2.4.1 cuda118py39h0240f8b_200 conda-forge", "cuda", "11.8"),
        ("pytorch 2.3.0 gpu_cuda121py311h9d4a5b6_0", "cuda", "12.1"),
        ("pytorch 1.3.0 py3.7_cuda10.1.243_cudnn7.6.3_0 pytorch", "cuda", "10.1"),
        ("pytorch 2.1.0 py3.9_0 pytorch\npytorch-mutex 1.0 cpu pytorch", "cpu", ""),
        ("pytorch=2.1.0=py3.9_cuda11.8_cudnn8.7.0_0", "cuda", "11.8"),
        ("torch 2.6.0+rocm6.2.4", "rocm", ""),
        ("torch 2.6.0+cpu", "cpu", ""),
        ("torch 2.6.0+xpu", "xpu", ""),
        ("torch 2.6.0", "unknown", ""),
        ("torch 2.3.0a0+40ec155e58.nv24.3", "unknown", ""),
    ],
)
def test_builds(row: str, accelerator: str, cuda: str) -> None:
    build = _one(row, TorchBuild)
    assert build is not None
    assert (build.accelerator, build.cuda) == (accelerator, cuda)


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("Name: torch\nVersion: 2.6.0\nLocation: /v/lib\nRequires: filelock\n", {"torch": "2.6.0"}),
        (
            "ame: trl\nVersion: 0.14.0\nRequires: x\n---\nName: peft\nVersion: 0.14.0\n",
            {"trl": "0.14.0", "peft": "0.14.0"},
        ),
        (
            '[{"name": "torch", "version": "2.6.0"}, {"name": "zzz", "version": "1"}]',
            {"torch": "2.6.0", "zzz": "1"},
        ),
        ("torch [required: >=2, installed: 2.1.0]\n", {"torch": "2.1.0"}),
        (
            "app v0.1.0\n├── torch v2.6.0\n│   └── sympy v1.13.1 (*)\n",
            {"app": "0.1.0", "torch": "2.6.0", "sympy": "1.13.1"},
        ),
        ("| Package | Version |\n|---|---|\n| `torch` | 2.6.0 |\n", {"torch": "2.6.0"}),
        ("torch,2.6.0\nnumpy;1.26.4\n", {"torch": "2.6.0", "numpy": "1.26.4"}),
        ("# protobuf 4.21.1", {"protobuf": "4.21.1"}),
        ("protobuf -5.28.3", {"protobuf": "5.28.3"}),
        ("torch=2.31+cu121", {"torch": "2.31+cu121"}),
        ("PyTorch 2.1.0", {"torch": "2.1.0"}),
        ("- transformers==4.48.0\n- peft==0.14.0", {"transformers": "4.48.0", "peft": "0.14.0"}),
    ],
)
def test_other_lists(text: str, versions: dict[str, str]) -> None:
    assert _versions(text) == versions


def test_a_tree_says_who_requires_what() -> None:
    text = "accelerate==0.21.0\n├── torch [required: >=1.10, installed: 2.0.1]\n│   └── sympy [required: Any, installed: ?]\n"
    packages = _one(text, Packages)
    assert packages is not None
    assert packages.get("sympy") is None
    owner = packages.get("accelerate")
    assert owner is not None
    assert owner.requires == ("torch>=1.10",)


def test_a_table_of_wanted_and_found() -> None:
    text = "| Package | Required | Installed |\n|--|--|--|\n| torch | >=2.4 | 2.3.1 |\n"
    wanted = _one(text, Wanted)
    assert wanted is not None
    assert (wanted.requirements[0].specifier, wanted.requirements[0].have) == (">=2.4", "2.3.1")


UV = "Uninstalled 1 package in 9ms\nInstalled 1 package in 9ms\n - torch==2.6.0+cu124\n + torch==2.6.0\n"
PIP = "    Uninstalling torch-2.6.0+cu124:\n      Successfully uninstalled torch-2.6.0+cu124\nSuccessfully installed torch-2.7.0 nvidia-cudnn-cu12-9.1.0.70\n"


@pytest.mark.parametrize(
    ("text", "torch"),
    [
        (UV, "2.6.0"),
        (PIP, "2.7.0"),
        (UV + PIP, "2.7.0"),
        (PIP + UV, "2.6.0"),
        (PIP_LIST + PIP, "2.7.0"),
        (PIP + PIP_LIST, "2.6.0"),
        ("Successfully installed a-1\n  torch-2.7.0 b-2.0\n", "2.7.0"),
        ("#9 12.3 Successfully installed torch-2.7.0\n", "2.7.0"),
        ("  - Updating torch (2.5.1 -> 2.6.0)\n", "2.6.0"),
        ("  - Installing torch (2.6.0): Failed\n", ""),
        (
            r"Requirement already satisfied: torch>=2.0 in c:\v\lib\site-packages (from peft) (2.5.1+cpu)",
            "2.5.1+cpu",
        ),
        (
            "The following packages will be UPDATED:\n\n  pytorch   2.0.1-py3.9_0 --> 2.1.0-py3.9_0\n\nExecuting transaction: done\n",
            "2.1.0",
        ),
    ],
)
def test_the_last_word_holds(text: str, torch: str) -> None:
    assert _versions(text).get("torch", "") == torch


def test_what_went_is_not_there() -> None:
    text = "Found existing installation: torch 2.6.0\nUninstalling torch-2.6.0:\n  Successfully uninstalled torch-2.6.0\n"
    assert _versions(text) == {}
    assert _one(text, Missing) is not None
    assert _one("WARNING: Package(s) not found: peft, torch", Missing) is not None


PROSE = (
    "Training took 3.5 hours on 2 GPUs.\nPython 3.10\nUbuntu 22.04\nCUDA 12.1\nEpoch 1.0\nstep 100\nloss 0.53\n",
    'Traceback (most recent call last):\n  File "/a/b.py", line 3, in <module>\n    import torch\nImportError: no\n',
    "GPU 0: NVIDIA GeForce RTX 3090\nDriver 535.104\n| 0  NVIDIA A100  Off | 00000000:01:00.0 Off | 0 |\n",
    "name: x\nversion: 1.2.3\n",
    "{'loss': 1.2, 'epoch': 0.1}\n",
)


@pytest.mark.parametrize("text", PROSE)
def test_other_texts_tell_nothing(text: str) -> None:
    assert _facts(text) == []


SAMPLES = (PIP_LIST, FREEZE, CONDA, WHOLE, UV + PIP)
DRESSES: tuple[Callable[[str], str], ...] = (
    lambda t: "".join(f"> {line}\n" for line in t.splitlines()),
    lambda t: t.replace("\n", "\r\n"),
    lambda t: "".join(f"    {line}\n" for line in t.splitlines()),
    lambda t: "".join(f"\x1b[32m{line}\x1b[0m\n" for line in t.splitlines()),
    lambda t: f"```\n{t}```\n",
)


@pytest.mark.parametrize("dress", DRESSES, ids=["quoted", "CRLF", "indented", "ANSI", "fenced"])
@pytest.mark.parametrize("text", SAMPLES)
def test_pasting_changes_nothing(text: str, dress: Callable[[str], str]) -> None:
    assert _versions(dress(text)) == _versions(text)
    assert _one(dress(text), TorchBuild) == _one(text, TorchBuild)


WORDS = (
    "torch",
    "2.6.0",
    "==",
    ">=",
    "|",
    "Name:",
    "Version:",
    "- ",
    " + ",
    "Package  Version",
    "(",
    ")",
    "[",
    "dependencies:",
    "-e ",
    "@",
    "└── ",
    "\n",
    "\n",
    " ",
    "{",
    '"name": "torch"',
)


@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=60).map("".join)))
def test_any_text_is_read(text: str) -> None:
    _facts(text)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "torch==2.1\n",
        "torch 2.1.0\n",
        "| torch | 2 |\n",
        '{"name":"a","version":"1",',
        "dependencies = [\n",
        "\n",
        "-",
        "1.",
        "- pip:\n",
        "torch" + 480 * " " + "x 1\n",
        "'torch" + 60 * "'a" + "\n",
        480 * " " + "- x\n",
        "Name: torch\nVersion: 2.1\n",
    ],
)
def test_a_long_text_is_read_in_linear_time(piece: str) -> None:
    """256 KiB: what is linear takes a fraction of this; what is quadratic takes minutes."""
    lines = tidy(piece * (2**18 // len(piece)))
    began = time.process_time()
    package_lists.read(lines)
    assert time.process_time() - began < 4
