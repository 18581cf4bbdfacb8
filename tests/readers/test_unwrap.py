"""What pasting does to a text is undone: quotes, colours, progress bars, broken lines, other encodings."""

import pytest

from tunedoctor.readers.digest import decoded
from tunedoctor.readers.unwrap import clean_lines

LINES = [
    "PyTorch version: 2.9.1+cu130",
    "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090",
    '  File "x.py", line 3, in <module>',
    "    import torch",
]
TEXT = "\n".join(LINES)


@pytest.mark.parametrize(
    "text",
    [
        (
            "PyTorch version: 2.9.1+cu130\r\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\r\n"
            '  File "x.py", line 3, in <module>\r\n'
            "    import torch"
        ),
        (
            "PyTorch version: 2.9.1+cu130\r\r\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\r\r\n"
            '  File "x.py", line 3, in <module>\r\r\n'
            "    import torch"
        ),
        (
            "> PyTorch version: 2.9.1+cu130\n"
            "> GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '>   File "x.py", line 3, in <module>\n'
            ">     import torch"
        ),
        (
            ">> > PyTorch version: 2.9.1+cu130\n"
            ">> > GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '>> >   File "x.py", line 3, in <module>\n'
            ">> >     import torch"
        ),
        (
            "      PyTorch version: 2.9.1+cu130\n"
            "      GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '        File "x.py", line 3, in <module>\n'
            "          import torch"
        ),
        (
            "\x1b[31mPyTorch version: 2.9.1+cu130\x1b[0m\n"
            "\x1b[31mGPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\x1b[0m\n"
            '\x1b[31m  File "x.py", line 3, in <module>\x1b[0m\n'
            "\x1b[31m    import torch\x1b[0m"
        ),
        (
            "[31mPyTorch version: 2.9.1+cu130[0m\n"
            "[31mGPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090[0m\n"
            '[31m  File "x.py", line 3, in <module>[0m\n'
            "[31m    import torch[0m"
        ),
        (
            "\x1b]0;a title\x07PyTorch version: 2.9.1+cu130\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '  File "x.py", line 3, in <module>\n'
            "    import torch"
        ),
        (
            "PyTorch\xa0version:\xa02.9.1+cu130\n"
            "GPU\xa0models\xa0and\xa0configuration:\xa0GPU\xa00:\xa0NVIDIA\xa0GeForce\xa0RTX\xa04090\n"
            '\xa0\xa0File\xa0"x.py",\xa0line\xa03,\xa0in\xa0<module>\n'
            "\xa0\xa0\xa0\xa0import\xa0torch"
        ),
        (
            "PyTorch ver\u200bsion: 2.9.1+cu130\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '  File "x.py", line 3, in <module>\n'
            "    import torch"
        ),
        (
            "PyTorch version： 2.9.1+cu130\n"
            "GPU models and configuration： GPU 0： NVIDIA GeForce RTX 4090\n"
            '  File "x.py", line 3, in <module>\n'
            "    import torch"
        ),
        (
            "PyTorch version: 2.9.1+cu130\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            "  File “x.py“, line 3, in <module>\n"
            "    import torch"
        ),
        (
            "**PyTorch version:** 2.9.1+cu130\n"
            "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '  File "x.py", line 3, in <module>\n'
            "    import torch"
        ),
        (
            "2024-05-01T12:00:00.1234567Z PyTorch version: 2.9.1+cu130\n"
            "2024-05-01T12:00:00.1234567Z GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
            '2024-05-01T12:00:00.1234567Z   File "x.py", line 3, in <module>\n'
            "2024-05-01T12:00:00.1234567Z     import torch"
        ),
        TEXT,
    ],
)
def test_what_pasting_adds_is_removed(text):
    assert clean_lines(text) == LINES


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-8-sig"),
    ],
)
def test_other_encodings_are_read(data):
    assert decoded(data) == TEXT


def test_a_fence_and_html_are_removed():
    result = clean_lines(
        "<details><summary>A</summary>\n"
        "```shell\n"
        "PyTorch version: 2.9.1+cu130\n"
        "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
        '  File "x.py", line 3, in <module>\n'
        "    import torch\n"
        "```\n"
        "</details>"
    )
    assert result == [
        "A",
        "",
        "PyTorch version: 2.9.1+cu130",
        "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090",
        '  File "x.py", line 3, in <module>',
        "    import torch",
        "",
        "",
    ]


def test_only_the_last_state_of_a_line_is_kept():
    result = clean_lines("Collecting environment information..." + " " * 180 + "PyTorch: 2.9.1")
    assert result == ["PyTorch: 2.9.1"]


def test_names_in_angle_brackets_are_no_html():
    result = clean_lines("in <module> of <string> <fill in> a<b>c")
    assert result == ["in <module> of <string> <fill in> a<b>c"]


def test_a_quoted_prompt_of_python_stays():
    assert clean_lines("> >>> import torch\n> 2.1\n") == [">>> import torch", "2.1", ""]


def test_a_progress_bar_keeps_its_end():
    result = clean_lines("  1%|   | 1/9\r 50%|█  | 5/9\r100%|███| 9/9\nError: x")
    assert result == ["100%|███| 9/9", "Error: x"]


def test_an_error_between_progress_bars_is_kept():
    result = clean_lines("  1%|   | 1/9\rRuntimeError: x\r  2%| | 2/9\n")
    assert result == ["RuntimeError: x", "  2%| | 2/9", ""]


def test_old_line_ends_are_line_ends():
    assert clean_lines("a: 1\rb: 2\r") == ["a: 1", "b: 2", ""]


def test_a_word_broken_over_two_lines_is_joined():
    result = clean_lines(
        "ERROR: Could not find a version that satisfies the requirement torch==2.12.0 (fr\n"
        "om versions: 2.2.0, 2.2.1, 2.2.2, 2.3.0, 2.3.1, 2.4.0, 2.4.1)"
    )
    assert result == [
        "ERROR: Could not find a version that satisfies the requirement torch==2.12.0 (from versions: 2.2.0, 2.2.1, 2.2.2, 2.3.0, 2.3.1, 2.4.0, 2.4.1)"
    ]
