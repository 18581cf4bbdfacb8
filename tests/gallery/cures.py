"""Broken targets that `doctor fix` must cure, and those that it must leave as they are."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from gallery import amd, damage, faults, machine
from gallery.cases import Start
from gallery.place import Place

Builds = tuple[Callable[[Place], None], ...]


class Cure(NamedTuple):
    """A target that is cured."""

    name: str
    build: Builds
    cause: str
    """A finding, cause or symptom, that is there before and is gone afterwards."""
    installer: Literal["uv", "pip"] = "uv"
    start: Start = "base"
    ids: tuple[str, ...] = ()
    """What `doctor fix` is told to cure; nothing: all errors and warnings."""
    run: bool = False
    """The fault shows only when the packages run: `doctor fix --deep`."""
    deep: bool = True
    """The proof runs the packages. Not where the metadata claim a CUDA build: its binary is the CPU's."""
    made_up_gpu: bool = False
    mounts: bool = False
    torch_index: bool = False
    """PyTorch's own index is asked: it is played, see torch_index.py."""


class Left(NamedTuple):
    """A target that nothing on the user's side of the machine can cure, or that is not the doctor's to change."""

    name: str
    build: Builds
    says: str
    """Words of the reason."""
    by_hand: str
    """Words of a command that is printed."""
    end: Literal["told", "refused"] = "told"
    start: Start = "base"
    run: bool = False
    made_up_gpu: bool = False
    mounts: bool = False
    root: bool = False


def _gpu(gpu: machine.Gpu, driver: str) -> Callable[[Place], None]:
    return partial(machine.nvidia, gpu=gpu, driver=driver)


def _swapped(*requirements: str) -> Callable[[Place], None]:
    return lambda p: faults.swapped(p, *requirements)


def _removed(*names: str) -> Callable[[Place], None]:
    return lambda p: faults.removed(p, *names)


def _gone(*paths: str) -> Callable[[Place], None]:
    return lambda p: faults.files_gone(p, *paths)


CLAIMS_126: Callable[[Place], None] = partial(
    faults.claims_cuda, torch="2.13.0", torchvision="0.28.0", cuda="12.6"
)
CLAIMS_130: Callable[[Place], None] = partial(
    faults.claims_cuda, torch="2.13.0", torchvision="0.28.0", cuda="13.0"
)
RTX: Callable[[Place], None] = _gpu(machine.RTX_4090, "580.65.06")
CLASH = "library-version-clash"

VERSIONS = (
    Cure("hub-too-old", (_swapped("huggingface-hub==0.36.0"),), CLASH),
    Cure("hub-too-old-pip", (_swapped("huggingface-hub==0.36.0"),), CLASH, "pip"),
    Cure("tokenizers-outside-the-pin", (_swapped("tokenizers==0.22.1"),), CLASH),
    Cure("peft-too-old", (_swapped("peft==0.17.1"),), CLASH),
    Cure("trl-too-old", (_swapped("trl==0.20.0"),), CLASH, "pip"),
    Cure("accelerate-too-old", (_swapped("accelerate==1.0.1"),), CLASH),
    Cure("fsspec-too-old", (_swapped("fsspec==2022.11.0"),), CLASH),
    Cure(
        "three-libraries-at-once",
        (_swapped("peft==0.17.1", "accelerate==1.0.1", "huggingface-hub==0.36.0"),),
        CLASH,
    ),
    Cure("numpy-1-binary", (faults.numpy_1_binary,), "numpy-abi"),
    Cure("numpy-1-binary-pip", (faults.numpy_1_binary,), "numpy-abi", "pip"),
)

MISSING = (
    Cure("tqdm-removed", (_removed("tqdm"),), "missing-dependency"),
    Cure("tqdm-removed-pip", (_removed("tqdm"),), "missing-dependency", "pip"),
    Cure("accelerate-removed", (_removed("accelerate"),), "missing-dependency"),
    Cure("several-removed", (_removed("safetensors", "regex", "PyYAML"),), "missing-dependency"),
    Cure("peft-removed", (_removed("peft"),), "missing-dependency", ids=("missing-dependency",)),
)

BROKEN = (
    Cure("files-deleted", (_gone("transformers/trainer.py"),), "broken-install"),
    Cure("files-deleted-pip", (_gone("transformers/trainer.py"),), "broken-install", "pip"),
    Cure("folder-emptied", (lambda p: faults.emptied(p, "accelerate"),), "broken-install"),
    Cure(
        "no-record",
        (lambda p: faults.no_record(p, "peft", "peft/tuners"),),
        "broken-install",
        run=True,
    ),
    Cure(
        "no-record-pip",
        (lambda p: faults.no_record(p, "peft", "peft/tuners"),),
        "broken-install",
        "pip",
        run=True,
    ),
    Cure("no-metadata", (lambda p: faults.no_metadata(p, "peft"),), "broken-install"),
    Cure("no-version", (lambda p: faults.no_version(p, "transformers"),), "broken-install"),
    Cure("leftover", (lambda p: faults.leftover(p, "transformers"),), "broken-install"),
    Cure(
        "metadata-twice",
        (lambda p: damage.doubled(p, "huggingface_hub", "0.36.0"),),
        "broken-install",
    ),
    Cure(
        "leftovers-and-a-clash",
        (
            lambda p: faults.leftover(p, "safetensors"),
            _swapped("peft==0.17.1"),
            _removed("tqdm"),
        ),
        CLASH,
    ),
    Cure(
        "in-the-folder-of-a-project",
        (_swapped("peft==0.17.1"), damage.project),
        CLASH,
        "pip",
    ),
)

DAMAGED = (
    Cure(
        "library-cut-short",
        (lambda p: damage.truncated(p, "tokenizers/*.so"),),
        "library-import-fails",
        run=True,
    ),
    Cure(
        "library-for-another-processor",
        (lambda p: damage.for_another_processor(p, "safetensors/*.so"),),
        "library-import-fails",
        "pip",
        run=True,
    ),
    Cure(
        "module-of-zeros",
        (lambda p: damage.garbled(p, "peft/peft_model.py"),),
        "library-import-fails",
        run=True,
    ),
)

SHADOWED = (
    Cure(
        "user-site",
        (lambda p: damage.in_user_site(p, "peft==0.17.1"),),
        "user-site-shadowing",
        start="conda",
    ),
    Cure("in-a-conda-prefix", (_swapped("peft==0.17.1"),), CLASH, start="conda"),
    Cure(
        "pythonpath",
        (lambda p: damage.on_pythonpath(p, "peft==0.17.1"),),
        "local-file-shadowing",
    ),
    Cure(
        "foreign-cudnn",
        (_gpu(machine.RTX_4090, "550.144.03"), CLAIMS_126, faults.foreign_cudnn),
        "library-path-shadowing",
        deep=False,
        made_up_gpu=True,
    ),
    Cure(
        "no-such-gpu",
        (RTX, CLAIMS_130, lambda p: damage.variable(p, "CUDA_VISIBLE_DEVICES", "3")),
        "visible-devices-wrong",
        deep=False,
        made_up_gpu=True,
    ),
)

ROCM = (
    Cure(
        "override-of-another-chip",
        (
            lambda p: amd.radeon(p, amd.RX_6800_XT),
            lambda p: amd.claims_rocm(p, "7.2"),
            lambda p: damage.variable(p, "HSA_OVERRIDE_GFX_VERSION", "9.0.0"),
        ),
        "rocm-override-wrong",
        deep=False,
        mounts=True,
    ),
)

CUDA = (
    Cure(
        "two-cuda-majors",
        (
            RTX,
            CLAIMS_130,
            _swapped("nvidia-cuda-runtime-cu12==12.8.90", "nvidia-cuda-runtime==13.0.96"),
            _swapped("nvidia-nvtx-cu12==12.8.90"),
        ),
        "mixed-cuda-wheels",
        deep=False,
        made_up_gpu=True,
    ),
    Cure(
        "bitsandbytes-without-its-cuda",
        (RTX, CLAIMS_130, _swapped("bitsandbytes==0.45.5")),
        "quantisation-library-mismatch",
        deep=False,
        made_up_gpu=True,
    ),
)

TORCH = (
    Cure(
        "torchvision-of-another-torch",
        (_swapped("torchvision==0.21.0"),),
        "torch-companion-mismatch",
        torch_index=True,
    ),
    Cure(
        "torchvision-of-another-torch-pip",
        (_swapped("torchvision==0.21.0"),),
        "torch-companion-mismatch",
        "pip",
        torch_index=True,
    ),
    Cure("torch-removed", (_removed("torch"),), "torch-missing", "pip", torch_index=True),
    Cure(
        "torch-library-gone",
        (_gone("torch/lib/libtorch_cpu.so"),),
        "broken-install",
        "pip",
        torch_index=True,
    ),
    Cure(
        "torch-crashes",
        (lambda p: faults.torch_begins(p, "import ctypes; ctypes.string_at(0)"),),
        "torch-import-crash",
        "pip",
        run=True,
        torch_index=True,
    ),
)

CURES = (*VERSIONS, *MISSING, *BROKEN, *DAMAGED, *SHADOWED, *ROCM, *CUDA, *TORCH)

LEFT = (
    Left(
        "driver-390",
        (_gpu(machine.GTX_1080, "390.157"), CLAIMS_130),
        "driver",
        "sudo",
        made_up_gpu=True,
    ),
    Left("smi-hangs", (machine.hung,), "nvidia-smi", "sudo", made_up_gpu=True),
    Left(
        "no-driver",
        (lambda p: damage.on_the_bus(p, "10de", "2684"),),
        "driver",
        "sudo",
        mounts=True,
    ),
    Left(
        "container-with-little-shared-memory",
        (RTX, CLAIMS_130, damage.small_shared_memory),
        "shared memory",
        "medium: Memory",
        made_up_gpu=True,
        mounts=True,
    ),
    Left(
        "python-3.8", (lambda p: damage.of_python(p, "3.8"),), "Python 3.8", "venv", start="nothing"
    ),
    Left(
        "python-3.6", (lambda p: damage.of_python(p, "3.6"),), "Python 3.6", "venv", start="nothing"
    ),
    Left("no-such-target", (faults.nothing_there,), "", "doctor fix --new", start="nothing"),
    Left("file-called-torch", (lambda p: damage.file_called(p, "torch.py"),), "torch", "mv "),
    Left("folder-called-torch", (faults.folder_called_torch,), "torch", "mv "),
    Left(
        "torch-hangs",
        (
            lambda p: faults.torch_begins(p, "import time; time.sleep(600)"),
            lambda p: damage.variable(p, "TUNEDOCTOR_STAGE_SECONDS", "5"),
        ),
        "import",
        "python",
        run=True,
    ),
    Left(
        "systems-python",
        (damage.the_systems_python,),
        "belongs to the system",
        "venv",
        "refused",
        start="nothing",
    ),
    Left(
        "of-another-user",
        (_removed("tqdm"), lambda p: damage.of_another_user(p, 12345)),
        "belongs to user 12345",
        "doctor fix",
        "refused",
        root=True,
    ),
    Left(
        "read-only",
        (_removed("tqdm"), damage.read_only),
        "not writable",
        "doctor fix --new",
        "refused",
        mounts=True,
    ),
    Left(
        "no-network",
        (_removed("tqdm"), damage.without_network),
        "answer",
        "UV_DEFAULT_INDEX",
        "refused",
    ),
    Left(
        "new-in-a-full-folder",
        (damage.new_where_something_is,),
        "",
        "--new",
        "refused",
        start="nothing",
    ),
)
