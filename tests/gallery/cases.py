"""The targets of the gallery, and what the doctor must say of each."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from gallery import faults, machine
from gallery.place import Place

Start = Literal["base", "conda", "nothing"]


class Case(NamedTuple):
    """One target."""

    name: str
    build: tuple[Callable[[Place], None], ...]
    """What is done to the copy, in this order."""
    cause: str
    """Id of the first finding; "" for a healthy target, without any error or warning."""
    severity: Literal["error", "warning", "note", ""] = "error"
    deep: bool = True
    """Run the target as well. Not where the metadata claim what the binary is not: it would say so."""
    start: Start = "base"
    made_up_gpu: bool = False
    verdict: str = "findings"


def _gpu(gpu: machine.Gpu, driver: str, *, library: bool = True) -> Callable[[Place], None]:
    return partial(machine.nvidia, gpu=gpu, driver=driver, library=library)


def _cuda(torch: str, torchvision: str, cuda: str) -> Callable[[Place], None]:
    return partial(faults.claims_cuda, torch=torch, torchvision=torchvision, cuda=cuda)


def _hang(place: Place) -> None:
    faults.torch_begins(place, "import time; time.sleep(600)")
    place.variables["TUNEDOCTOR_STAGE_SECONDS"] = "5"


HEALTHY = (
    Case("healthy", (), "", "", verdict="ready"),
    Case(
        "healthy-rtx4090",
        (_gpu(machine.RTX_4090, "550.144.03"), _cuda("2.13.0", "0.28.0", "12.6")),
        "",
        "",
        deep=False,
        made_up_gpu=True,
        verdict="ready",
    ),
    Case(
        "healthy-rtx4090-without-nvml",
        (_gpu(machine.RTX_4090, "550.144.03", library=False), _cuda("2.13.0", "0.28.0", "12.6")),
        "",
        "",
        deep=False,
        made_up_gpu=True,
        verdict="ready",
    ),
)

MAXWELL_TO_HOPPER = "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"
TURING_TO_BLACKWELL = "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"

ANSWERS = (
    Case(
        "healthy-answers-rtx4090",
        (
            _gpu(machine.RTX_4090, "550.144.03"),
            _cuda("2.13.0", "0.28.0", "12.6"),
            lambda p: faults.answers(p, machine.RTX_4090.name, (8, 9), MAXWELL_TO_HOPPER),
        ),
        "",
        "",
        made_up_gpu=True,
        verdict="ready",
    ),
    Case(
        "answers-gpu-too-new",
        (
            _gpu(machine.RTX_5090, "580.95.05"),
            _cuda("2.13.0", "0.28.0", "12.6"),
            lambda p: faults.answers(p, machine.RTX_5090.name, (12, 0), MAXWELL_TO_HOPPER),
        ),
        "gpu-too-new-for-torch",
        made_up_gpu=True,
    ),
    Case(
        "answers-gpu-too-old",
        (
            _gpu(machine.GTX_1080, "580.95.05"),
            _cuda("2.13.0", "0.28.0", "13.0"),
            lambda p: faults.answers(p, machine.GTX_1080.name, (6, 1), TURING_TO_BLACKWELL),
        ),
        "gpu-too-old-for-torch",
        made_up_gpu=True,
    ),
    Case(
        "answers-driver-535",
        (
            _gpu(machine.RTX_4090, "535.183.01"),
            _cuda("2.13.0", "0.28.0", "13.0"),
            lambda p: faults.answers(
                p, machine.RTX_4090.name, (8, 9), TURING_TO_BLACKWELL, available=False
            ),
        ),
        "driver-too-old",
        made_up_gpu=True,
    ),
    Case(
        "answers-no-gpu-and-none-seen",
        (
            _gpu(machine.RTX_4090, "550.144.03"),
            lambda p: faults.answers(p, "", (0, 0), "", available=False),
        ),
        "torch-cpu-only",
        made_up_gpu=True,
    ),
    Case(
        "claims-driver-535",
        (_gpu(machine.RTX_4090, "535.183.01"), _cuda("2.13.0", "0.28.0", "13.0")),
        "driver-too-old",
        made_up_gpu=True,
    ),
    Case(
        "claims-gpu-too-new",
        (_gpu(machine.RTX_5090, "580.95.05"), _cuda("2.6.0", "0.21.0", "12.4")),
        "gpu-too-new-for-torch",
        made_up_gpu=True,
    ),
    Case(
        "claims-foreign-cudnn",
        (
            _gpu(machine.RTX_4090, "550.144.03"),
            _cuda("2.13.0", "0.28.0", "12.6"),
            faults.foreign_cudnn,
        ),
        "library-path-shadowing",
        made_up_gpu=True,
    ),
)

VERSIONS = (
    Case(
        "torchvision-of-another-torch",
        (lambda p: faults.swapped(p, "torchvision==0.21.0"),),
        "torch-companion-mismatch",
    ),
    Case("numpy-1-binary", (faults.numpy_1_binary,), "numpy-abi"),
    Case(
        "transformers-too-new-for-torch",
        (lambda p: faults.claims_torch(p, "2.5.1", "0.20.1"),),
        "torch-too-old-for-library",
    ),
    Case(
        "peft-too-old-for-transformers",
        (lambda p: faults.swapped(p, "peft==0.17.1"),),
        "library-version-clash",
    ),
    Case(
        "accelerate-too-old",
        (lambda p: faults.swapped(p, "accelerate==1.0.1"),),
        "library-version-clash",
    ),
    Case(
        "tokenizers-outside-the-pin",
        (lambda p: faults.swapped(p, "tokenizers==0.22.1"),),
        "library-version-clash",
    ),
    Case("tqdm-removed", (lambda p: faults.removed(p, "tqdm"),), "missing-dependency"),
)

BROKEN = (
    Case(
        "files-missing",
        (lambda p: faults.files_gone(p, "transformers/trainer.py", "transformers/utils/hub.py"),),
        "broken-install",
    ),
    Case("folder-emptied", (lambda p: faults.emptied(p, "accelerate"),), "broken-install"),
    Case("torch-emptied", (lambda p: faults.emptied(p, "torch"),), "broken-install"),
    Case(
        "no-record",
        (lambda p: faults.no_record(p, "peft", "peft/tuners"),),
        "broken-install",
    ),
    Case("no-version", (lambda p: faults.no_version(p, "transformers"),), "broken-install"),
    Case("no-metadata", (lambda p: faults.no_metadata(p, "peft"),), "broken-install"),
    Case(
        "leftover",
        (lambda p: faults.leftover(p, "torch"),),
        "broken-install",
        "warning",
        verdict="ready",
    ),
    Case(
        "torch-library-gone",
        (lambda p: faults.files_gone(p, "torch/lib/libtorch_cpu.so"),),
        "broken-install",
    ),
    Case(
        "torch-crashes",
        (lambda p: faults.torch_begins(p, "import ctypes; ctypes.string_at(0)"),),
        "torch-import-crash",
    ),
    Case("torch-hangs", (_hang,), "torch-import-hang"),
    Case(
        "two-cuda-majors",
        (
            _gpu(machine.RTX_4090, "580.65.06"),
            _cuda("2.13.0", "0.28.0", "13.0"),
            lambda p: faults.wheels(p, "nvidia-nccl-cu12 2.27.5", "nvidia-nccl-cu13 2.29.7"),
        ),
        "mixed-cuda-wheels",
        deep=False,
        made_up_gpu=True,
    ),
)

MACHINE = (
    Case(
        "driver-470",
        (_gpu(machine.RTX_4090, "470.256.02"), _cuda("2.13.0", "0.28.0", "13.0")),
        "driver-too-old",
        deep=False,
        made_up_gpu=True,
    ),
    Case(
        "driver-535-without-nvml",
        (
            _gpu(machine.RTX_4090, "535.183.01", library=False),
            _cuda("2.13.0", "0.28.0", "13.0"),
        ),
        "driver-too-old",
        deep=False,
        made_up_gpu=True,
    ),
    Case("smi-hangs", (machine.hung,), "driver-hung", made_up_gpu=True),
    Case(
        "gpu-too-new",
        (_gpu(machine.RTX_5090, "570.133.07"), _cuda("2.6.0", "0.21.0", "12.4")),
        "gpu-too-new-for-torch",
        deep=False,
        made_up_gpu=True,
    ),
    Case(
        "gpu-too-old",
        (_gpu(machine.GTX_1080, "580.65.06"), _cuda("2.13.0", "0.28.0", "13.0")),
        "gpu-too-old-for-torch",
        deep=False,
        made_up_gpu=True,
    ),
    Case(
        "cpu-torch-beside-a-gpu",
        (_gpu(machine.RTX_4090, "580.65.06"),),
        "torch-cpu-only",
        made_up_gpu=True,
    ),
    Case(
        "foreign-cudnn",
        (
            _gpu(machine.RTX_4090, "550.144.03"),
            _cuda("2.13.0", "0.28.0", "12.6"),
            faults.foreign_cudnn,
        ),
        "library-path-shadowing",
        deep=False,
        made_up_gpu=True,
    ),
)

INTERPRETER = (
    Case("folder-called-torch", (faults.folder_called_torch,), "local-file-shadowing"),
    Case(
        "python-2.7",
        (lambda p: faults.old_python(p, "2.7"),),
        "python-unsupported",
        start="nothing",
    ),
    Case(
        "python-3.6",
        (lambda p: faults.old_python(p, "3.6"),),
        "python-unsupported",
        start="nothing",
    ),
    Case(
        "python-3.8",
        (lambda p: faults.old_python(p, "3.8"),),
        "python-unsupported",
        start="nothing",
    ),
    Case(
        "no-such-target",
        (faults.nothing_there,),
        "target-missing",
        start="nothing",
        verdict="unknown",
    ),
    Case("torch-missing", (faults.bare,), "torch-missing", start="nothing"),
)

CASES = (*HEALTHY, *ANSWERS, *VERSIONS, *BROKEN, *MACHINE, *INTERPRETER)
