"""What the texts of errors say: memory that was missing, names that a library lacks, modules that torch gave up."""

import pytest

from tunedoctor.advice.error_texts import (
    GivenUp,
    Misfit,
    Shortage,
    find_error,
    given_up,
    misfits,
    shortage,
)
from tunedoctor.facts import Errors, ErrorText, Frame

TWO_ERRORS = Errors(
    errors=(
        ErrorText(text="x"),
        ErrorText(text="first\n  the driver is Too Old, e.g. 12080 (found). Please update."),
    )
)


def no_module_six(caller: str) -> Errors:
    text = "ModuleNotFoundError: No module named 'torch._six'"
    return Errors(
        errors=(ErrorText(text=text, type="ModuleNotFoundError", frames=(Frame(file=caller),)),)
    )


def test_the_words_around_a_text_are_quoted():
    result = find_error(
        TWO_ERRORS,
        "too OLD",
    )
    assert result == "Too Old, e.g. 12080 (found)"


def test_a_text_that_no_error_has_is_not_quoted():
    result = find_error(
        TWO_ERRORS,
        "b",
    )
    assert result == ""


@pytest.mark.parametrize(
    ("text", "tried", "total", "free", "others", "processes", "unused", "by_others", "by_pieces"),
    [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. Process 4711 has 18.00 GiB memory in use. Process 12 has 1.00 GiB memory in use. Including non-PyTorch memory, this process has 4.50 GiB memory in use. Of the allocated memory 4.00 GiB is allocated by PyTorch, and 100.00 MiB is reserved by PyTorch but unallocated.",
            2147483648,
            25769803776,
            536870912,
            20401094656,
            (4711, 12),
            104857600,
            True,
            False,
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. Process 4711 has 23.00 GiB memory in use. Of the allocated memory 4.00 GiB is allocated by PyTorch, and 1.00 GiB is reserved by PyTorch but unallocated.",
            2147483648,
            25769803776,
            536870912,
            0,
            (),
            1073741824,
            False,
            False,
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. Including non-PyTorch memory, this process has 4.50 GiB memory in use. Of the allocated memory 4.00 GiB is allocated by PyTorch, and 6.00 GiB is reserved by PyTorch but unallocated.",
            2147483648,
            25769803776,
            536870912,
            0,
            (),
            6442450944,
            False,
            True,
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. Including non-PyTorch memory, this process has 4.50 GiB memory in use. Of the allocated memory 4.00 GiB is allocated by PyTorch, and 1.00 GiB is reserved by PyTorch but unallocated.",
            2147483648,
            25769803776,
            536870912,
            0,
            (),
            1073741824,
            False,
            False,
        ),
        (
            "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; 6.50 GiB already allocated; 10.00 MiB free; 6.90 GiB reserved in total by PyTorch)",
            20971520,
            8364448808,
            10485760,
            0,
            (),
            429496729,
            False,
            False,
        ),
        (
            "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; 1.00 GiB already allocated; 10.00 MiB free; 1.10 GiB reserved in total by PyTorch)",
            20971520,
            8364448808,
            10485760,
            6099105218,
            (),
            107374182,
            True,
            False,
        ),
        (
            "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; 3.00 GiB already allocated; 10.00 MiB free; 6.90 GiB reserved in total by PyTorch)",
            20971520,
            8364448808,
            10485760,
            0,
            (),
            4187593113,
            False,
            True,
        ),
    ],
)
def test_an_error_of_memory_says_sizes_and_who_takes_the_memory(
    text, tried, total, free, others, processes, unused, by_others, by_pieces
):
    result = shortage(Errors(errors=(ErrorText(text="no error"), ErrorText(text=text))))
    assert result == Shortage(
        tried=tried, total=total, free=free, others=others, processes=processes, unused=unused
    )
    assert result.by_others is by_others
    assert result.by_pieces is by_pieces


@pytest.mark.parametrize(
    ("text", "type_", "frames", "owner", "other", "module", "name", "said"),
    [
        (
            "ImportError: cannot import name '_gone' from 'torchmetrics.utilities' (/opt/env/lib/python3.11/site-packages/torchmetrics/utilities.py)",
            "ImportError",
            (
                Frame(file="/home/user/a.py"),
                Frame(file="/opt/env/lib/python3.11/site-packages/pytorch_lightning/trainer.py"),
            ),
            "pytorch-lightning",
            "torchmetrics",
            "torchmetrics.utilities",
            "_gone",
            "cannot import name '_gone' from 'torchmetrics.utilities'",
        ),
        (
            "TypeError: Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'",
            "TypeError",
            (Frame(file="C:\\envs\\a\\lib\\site-packages\\transformers\\trainer.py"),),
            "transformers",
            "accelerate",
            "Accelerator",
            "dispatch_batches",
            "Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'",
        ),
    ],
)
def test_the_library_that_asks_for_a_lacking_name_is_found(
    text, type_, frames, owner, other, module, name, said
):
    result = list(misfits(Errors(errors=(ErrorText(text=text, type=type_, frames=frames),))))
    assert result == [Misfit(owner=owner, other=other, module=module, name=name, said=said)]


@pytest.mark.parametrize(
    "errors",
    [
        ErrorText(
            text="ImportError: cannot import name 'AdamW' from 'transformers'",
            type="ImportError",
            frames=(Frame(file="/home/user/train.py"),),
        ),
        ErrorText(
            text="ImportError: cannot import name 'AdamW' from 'transformers'",
            type="ImportError",
            frames=(
                Frame(file="/opt/env/lib/python3.11/site-packages/trl/a.py"),
                Frame(file="/home/user/train.py"),
            ),
        ),
        ErrorText(
            text="ValueError: 3",
            type="ValueError",
            frames=(Frame(file="/opt/env/lib/python3.11/site-packages/trl/a.py"),),
        ),
        ErrorText(text="ImportError: cannot import name 'x' from 'torch'", type="ImportError"),
    ],
)
def test_errors_of_own_code_or_without_a_caller_are_left_alone(errors):
    assert list(misfits(Errors(errors=(errors,)))) == []


@pytest.mark.parametrize(
    ("text", "type_", "other", "said"),
    [
        (
            "ImportError: cannot import name 'Old' from 'trl' (/opt/env/lib/python3.11/site-packages/trl/__init__.py)",
            "ImportError",
            "trl",
            "cannot import name 'Old' from 'trl",
        ),
        (
            "ModuleNotFoundError: No module named 'peft.tuners.newest'",
            "ModuleNotFoundError",
            "peft",
            "No module named 'peft.tuners.newest",
        ),
        (
            "AttributeError: module 'huggingface_hub' has no attribute 'gone'",
            "AttributeError",
            "huggingface-hub",
            "module 'huggingface_hub' has no attribute 'gone",
        ),
    ],
)
def test_the_library_that_lacks_a_name_is_found_without_a_caller(text, type_, other, said):
    result = list(misfits(Errors(errors=(ErrorText(text=text, type=type_),)), loosely=True))
    assert result == [Misfit(owner="", other=other, module="", name="", said=said)]


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("ImportError: cannot import name 'Mine' from 'trl' (/home/me/trl.py)", "ImportError"),
        ("ModuleNotFoundError: No module named 'pyarrow.lib'", "ModuleNotFoundError"),
        ("TypeError: MyModel.__init__() got an unexpected keyword argument 'width'", "TypeError"),
        ("FutureWarning: module 'transformers' has no attribute 'x'", "FutureWarning"),
        (
            "ImportError: cannot import name 'load' from 'datasets' (unknown location)",
            "ImportError",
        ),
    ],
)
def test_other_errors_say_nothing_about_a_library(text, type_):
    result = list(misfits(Errors(errors=(ErrorText(text=text, type=type_),)), loosely=True))
    assert result == []


@pytest.mark.parametrize(
    ("file", "torch", "owner"),
    [
        ("/opt/env/lib/python3.11/site-packages/deepspeed/a.py", "", "deepspeed"),
        ("/home/me/a.py", "2.6.0", ""),
    ],
)
def test_a_module_that_torch_gave_up_is_found(file, torch, owner):
    result = given_up(
        no_module_six(file),
        torch,
    )
    assert result == GivenUp(said="No module named 'torch._six'", owner=owner, since="2.0")


def test_the_module_is_not_gone_in_an_older_torch():
    result = given_up(
        no_module_six("/home/me/a.py"),
        "1.13.1",
    )
    assert result is None
