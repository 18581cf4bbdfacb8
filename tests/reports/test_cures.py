"""What a pasted report is told to do: the cure of its first finding, where a wrong one would do harm."""

from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent

CURES = {
    # the banner shows torch's own frames, and no version of pyarrow
    "g040-joy-caption-numpy-211": '"numpy<2"',
    "g041-mistral-finetune-array-api-only": '"numpy<2"',
    # the name is gone since that release: a newer one has it no more
    "g034-internvl-llama-attention-classes": '"transformers<4.48"',
    "g038-trl-vllm-worker-extension-cls": "--upgrade",
    # 2.9 and newer have no MPS on macOS 13, though their wheels install there
    "g056-mps-macos-1374-210-nightly": "torch==2.8.0",
    # the driver, whose version the package has to have, is not told
    "g057-a100-802-two-environments": "--query-gpu=driver_version",
    "g054-arc140v-i-have-gcc": "VisualStudio",
    # which package is imported is not told, so none is named
    "g029-vllm-cu129-wants-cudart13": "Install the package whose import fails",
    # the list is of what the build has code for, and not of GPUs
    "g059-rocm-780m-sdk-targets": "get_arch_list()",
    # no processor is told: it is the commonest one, for which there are wheels
    "n173-cpu-only-transformers-env": "torch==2.7.0+cu126",
    "f029-falcon3-nightly-cu124-two-5090": "+cu128",
    "g008-exllama-form-1080ti-p100": "torch==2.7.0+cu126",
    # the error states the one range that is wanted
    "m004-tokenizers-0203-with-transformers447": '"tokenizers>=0.21,<0.22"',
    "n252-macos-pip-212-on-13": "torch==2.8.0",
    # the name of a module or a file is no name of a package
    "n271-abi-lmcache-old": "Install the extension",
    "g026-flashinfer-ngc-2408-parse-schema": "flashinfer-python",
    "q064-llamacpp-python-libcudart12": "torch.version.cuda",
    "n331-compiler-cl-missing": "VisualStudio",
}


@pytest.mark.parametrize("case", CURES)
def test_the_cure_is_the_right_one(case: str, corpus: ModuleType) -> None:
    text = (HERE / "reports" / f"{case}.txt").read_text(encoding="utf-8")
    assert CURES[case] in corpus.judged(text).findings[0].cure.command
