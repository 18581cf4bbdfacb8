"""Tracebacks in all their dresses become errors with class, message and frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.readers import messages
from tunedoctor.readers.tidy import tidy

PLAIN = """\
Traceback (most recent call last):
  File "/home/u/train.py", line 12, in <module>
    import flash_attn
  File "/home/u/.venv/lib/python3.11/site-packages/flash_attn/__init__.py", line 3, in <module>
    from flash_attn.interface import f
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory
"""
MESSAGE = PLAIN.splitlines()[-1]


def errors(text: str) -> tuple[ErrorText, ...]:
    found = [fact for fact in messages.read(tidy(text)) if isinstance(fact, Errors)]
    return found[0].errors if found else ()


def prefixed(prefix: str, text: str = PLAIN) -> str:
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "dress",
    [
        "{}",
        "[rank1]: ",
        "[default0]:",
        "[stderr]",
        "[1,0]<stderr>:",
        "(pid=4711) ",
        "(RayWorkerWrapper pid=4711, ip=10.0.0.3) ",
        "(EngineCore_0 pid=99) ",
        "(VllmWorkerProcess pid=99) ERROR 07-19 14:45:53 multiproc_worker_utils.py:226] ",
        "ERROR 07-19 14:45:53 [core.py:388] ",
        "trainer_1  | ",
        "trainer-1  | ",
        "2024-05-01T12:00:00.1234567Z ",
        "2024-05-01 12:00:00,123 ",
        "[2024-05-01 12:00:00,123] [ERROR] ",
        "May  1 12:00:00 node7 python[4711]: ",
        "E0501 12:00:00.123456 4711 site-packages/torch/distributed/elastic/x.py:882] ",
        "0: ",
        "node-3: ",
        "worker.example: ",
        "#12 34.56 ",
        "> ",
        "    ",
        "\x1b[36m(pid=12)\x1b[0m ",
    ],
)
def test_dressed_lines(dress: str) -> None:
    (error,) = errors(prefixed(dress.replace("{}", "")))
    assert error.text == MESSAGE
    assert error.type == "ImportError"
    assert [frame.line for frame in error.frames] == [12, 3]
    assert error.frames[0].code == "import flash_attn"
    assert error.frames[1].function == "<module>"
    assert error.where == "line 7"


def test_ranks_interleaved_line_by_line_are_one_error() -> None:
    text = "".join(f"[rank{rank}]: {line}\n" for line in PLAIN.splitlines() for rank in range(4))
    (error,) = errors(text)
    assert error.text == MESSAGE
    assert len(error.frames) == 2


def test_ranks_that_fail_differently_are_two_errors() -> None:
    other = PLAIN.replace(MESSAGE, "RuntimeError: CUDA error: out of memory")
    mixed = "".join(
        f"[rank0]: {one}\n[rank1]: {two}\n"
        for one, two in zip(PLAIN.splitlines(), other.splitlines(), strict=True)
    )
    assert {error.type for error in errors(mixed)} == {"ImportError", "RuntimeError"}


def test_chained() -> None:
    text = (
        PLAIN
        + "\nThe above exception was the direct cause of the following exception:\n\n"
        + PLAIN.replace(MESSAGE, "RuntimeError: Failed to import x")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + PLAIN.replace(MESSAGE, "subprocess.CalledProcessError: Command 'gcc' returned 1")
    )
    assert [error.type for error in errors(text)] == [
        "ImportError",
        "RuntimeError",
        "subprocess.CalledProcessError",
    ]


def test_group() -> None:
    text = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 3, in <module>
  |     raise ExceptionGroup("many", [e])
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "b.py", line 7, in f
    |     import torch
    | ModuleNotFoundError: No module named 'torch'
    +---------------- 2 ----------------
    | ValueError: second
    +------------------------------------
"""
    found = errors(text)
    assert [error.text for error in found] == [
        "ExceptionGroup: many (2 sub-exceptions)",
        "ModuleNotFoundError: No module named 'torch'",
        "ValueError: second",
    ]
    assert found[1].frames[0].file == "b.py"


def test_look_up_lines_end_with_the_real_error() -> None:
    text = """\
RuntimeError: Failed to import transformers.models.llama.modeling_llama because of the following error (look up to see its traceback):
Failed to import transformers.generation.utils because of the following error (look up to see its traceback):
numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject
"""
    (error,) = errors(text)
    assert error.type == "RuntimeError"
    assert error.text.splitlines()[-1].startswith("numpy.dtype size changed")


NOTEBOOK_OLD = """\
---------------------------------------------------------------------------
ImportError                               Traceback (most recent call last)
<ipython-input-3-34ecfe73cb1a> in <module>
      1 import os
----> 2 from transformers import BertTokenizer

~/lib/python3.8/site-packages/transformers/__init__.py in <module>(a, b)
     10 x = 1
---> 11 from . import y

ImportError: cannot import name 'y' from 'transformers' (unknown location)
"""
NOTEBOOK_NEW = """\
---------------------------------------------------------------------------
ImportError                               Traceback (most recent call last)
Cell In[1], line 2
      1 import os
----> 2 from transformers import BertTokenizer

File ~/lib/python3.8/site-packages/transformers/__init__.py:11, in f(a)
     10 x = 1
---> 11 from . import y

ImportError: cannot import name 'y' from 'transformers' (unknown location)
"""
COLAB = """\
ImportError                               Traceback (most recent call last)
[<ipython-input-3-34ecfe73cb1a>](https://localhost:8080/#) in <cell line: 2>()
      1 import os
----> 2 from transformers import BertTokenizer

[/usr/local/lib/python3.10/dist-packages/transformers/__init__.py](https://localhost:8080/#) in f(a)
     10 x = 1
---> 11 from . import y

ImportError: cannot import name 'y' from 'transformers' (unknown location)

---------------------------------------------------------------------------
NOTE: If your import is failing due to a missing package, you can
manually install dependencies using either !pip or !apt.
"""


@pytest.mark.parametrize("text", [NOTEBOOK_OLD, NOTEBOOK_NEW, COLAB])
def test_notebooks(text: str) -> None:
    first, *rest = errors(text)
    assert not rest
    assert (
        first.text == "ImportError: cannot import name 'y' from 'transformers' (unknown location)"
    )
    assert first.frames[-1].line == 11
    assert first.frames[-1].file.endswith("transformers/__init__.py")
    assert first.frames[-1].code == "from . import y"


def test_a_notebook_without_its_last_line_still_tells_the_class() -> None:
    (error,) = errors(NOTEBOOK_NEW.partition("ImportError: cannot")[0])
    assert error.type == "ImportError"
    assert error.frames


RICH = """\
╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /home/u/x.py:12 in <module>                                                  │
│                                                                              │
│    9 import a                                                                │
│ ❱ 12 import torch                                                            │
│   13                                                                         │
│ /home/u/lib/python3.11/site-packages/a_long_name_of_a_package/sub/module/    │
│ __init__.py:7 in load                                                        │
│                                                                              │
│ ❱  7 raise ValueError                                                        │
╰──────────────────────────────────────────────────────────────────────────────╯
OSError: libcudnn.so.9: cannot open shared object file: No such file or
directory
"""


@pytest.mark.parametrize(
    "text", [RICH, RICH.translate(str.maketrans("╭╮╰╯─│❱", "++++-|>"))], ids=["box", "plain box"]
)
def test_boxes(text: str) -> None:
    (error,) = errors(text)
    assert error.text == (
        "OSError: libcudnn.so.9: cannot open shared object file: No such file or directory"
    )
    assert error.frames[0].line == 12
    assert error.frames[0].code == "import torch"
    assert error.frames[1].file.endswith("module/__init__.py")


def test_pytest() -> None:
    text = """\
tests/test_x.py:3: in <module>
    import torch
E   ModuleNotFoundError: No module named 'torch'
tests/test_x.py:3: ModuleNotFoundError
"""
    (error,) = errors(text)
    assert error.text == "ModuleNotFoundError: No module named 'torch'"
    assert error.frames[0].file == "tests/test_x.py"


def test_cut_at_the_top() -> None:
    (error,) = errors("\n".join(PLAIN.splitlines()[3:]))
    assert error.text == MESSAGE
    assert len(error.frames) == 1


def test_cut_at_the_bottom_says_nothing_that_is_not_there() -> None:
    assert errors("\n".join(PLAIN.splitlines()[:-1])) == ()


def test_syntax_error() -> None:
    text = '  File "x.py", line 3\n    print "a"\n          ^\nSyntaxError: Missing parentheses\n'
    (error,) = errors(text)
    assert error.type == "SyntaxError"
    assert error.frames[0].code == 'print "a"'


def test_native_frames_are_not_the_message() -> None:
    text = (
        PLAIN.replace(MESSAGE, "torch.AcceleratorError: CUDA error: no kernel image is available")
        + "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace\n"
        + "For debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
        + "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n\n"
        + "Exception raised from c10_cuda_check_implementation at /pytorch/c10/cuda/CUDAException.cpp:43"
        + " (most recent call first):\n"
        + "frame #0: c10::Error::Error(c10::SourceLocation) + 0x98 (0x7f in libc10.so)\n" * 20
    )
    (error,) = errors(text)
    assert error.type == "torch.AcceleratorError"
    assert error.text.splitlines()[0].endswith("no kernel image is available")
    assert "frame #" not in error.text
    assert "CUDA_LAUNCH_BLOCKING=1" in error.text


def test_faulthandler() -> None:
    text = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f2c1c0c1740 (most recent call first):
  File "/lib/python3.11/site-packages/torch/cuda/__init__.py", line 310 in _lazy_init
  File "/home/u/x.py", line 3 in <module>

Thread 0x00007f2c1c0c0000 (most recent call first):
  File "/lib/python3.11/threading.py", line 1 in wait

Extension modules: numpy.core (total: 1)
"""
    (error,) = errors(text)
    assert error.text == "Fatal Python error: Segmentation fault"
    assert error.frames[0].file == "/home/u/x.py"
    assert len(error.frames) == 2


def test_a_localised_windows_message_keeps_its_number() -> None:
    text = PLAIN.replace(
        MESSAGE,
        'OSError: [WinError 1114] 动态链接库(DLL)初始化例程失败。 Error loading "C:\\x\\lib\\c10.dll" or one of its dependencies.',
    )
    (error,) = errors(text)
    assert "[WinError 1114]" in error.text
    assert "c10.dll" in error.text


def test_what_follows_is_not_the_message() -> None:
    text = PLAIN + "[pip3] torch==2.1.0\n$ nvidia-smi\ntorch     2.1.0\n"
    (error,) = errors(text)
    assert error.text == MESSAGE


@given(
    st.lists(
        st.sampled_from(
            [
                *PLAIN.splitlines(),
                *RICH.splitlines(),
                *COLAB.splitlines(),
                "",
                "E   ",
                "E   x",
                "Fatal Python error: x",
                "Current thread 0x0 (most recent call first):",
                "  |",
                "  + Exception Group Traceback (most recent call last):",
                "[rank1]: ",
                "(look up to see its traceback):",
            ]
        ),
        max_size=30,
    )
)
def test_any_mixture_is_read(lines: list[str]) -> None:
    for error in errors("\n".join(lines)):
        assert error.text.strip()
        assert error.where.startswith("line ")


@given(st.text(alphabet=st.characters(max_codepoint=0x2600), max_size=400))
def test_any_text_is_read(text: str) -> None:
    errors(text)
