"""Commands that a mail program has wrapped become whole again, and nothing else is joined."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.readers.tidy import tidy
from tunedoctor.readers.unwrap import MOST_OF_COMMAND, whole_commands


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (
            [
                "pip install --pre torch torchvision torchaudio --index-url",
                "https://example.org/whl/nightly/cu128",
            ],
            "pip install --pre torch torchvision torchaudio --index-url https://example.org/whl/nightly/cu128",
        ),
        (
            [
                "user@host:~$ docker run -it --net=host --ipc=host",
                "--cap-add=SYS_PTRACE \\",
                "   --device /dev/kfd -v",
                "./models:/models image bash",
            ],
            "user@host:~$ docker run -it --net=host --ipc=host --cap-add=SYS_PTRACE --device /dev/kfd -v ./models:/models image bash",
        ),
    ],
)
def test_a_wrapped_command_is_whole(lines: list[str], wanted: str) -> None:
    out, numbers = whole_commands([*lines, "the next line"], ())
    assert out == [wanted, "the next line"]
    assert list(numbers) == [1, len(lines) + 1]


@pytest.mark.parametrize(
    "lines",
    [
        ["it stops as soon as I give it one of these options on the line:", "--device /dev/kfd"],
        ["docker run --gpus all nvidia/cuda:12.4-base nvidia-smi -L", "GPU 0: NVIDIA RTX 4090"],
        ["usage: train.py with any of the following options, told below", "--bf16  train in bf16"],
        ["$ python train.py --model meta-llama/Llama-3.1-8B --device", "Traceback (most recent"],
        ["---------------------------------------------------------", "-- The C compiler is GNU"],
    ],
)
def test_other_lines_stay(lines: list[str]) -> None:
    assert whole_commands(lines, ())[0] == lines


def test_torn_words_at_the_width_of_a_terminal_are_whole() -> None:
    whole = [
        "WARNING[X]: the extensions of this package cannot be loaded. They were built for: here",
        "==((====))==  Banner 2025.3.19: Fast patching. Transformers: 4.50.3. Engine: 0.8.3.dev162",
        "O^O/ \\_/ \\    Torch: 2.8.0.dev20250331+cu128. CUDA: 12.0. CUDA Toolkit: 12.8. Triton: 3.3",
    ]
    broken = [part for line in whole for part in (line[:80], line[80:])]
    assert tidy("\n".join(broken)) == whole


def test_two_little_words_stay_two() -> None:
    before = "ImportError: Found an incompatible version of NAME. Found version 0.10.0, but"
    before = before.replace("NAME", "x" * (84 - len(before)))
    after = "only versions above 0.16.0 are supported"
    assert len(before) == 80
    assert tidy(f"{before}\n{after}") == [f"{before} {after}"]


def test_a_long_text_of_options_takes_linear_time() -> None:
    lines = ["docker run --ipc=host --network=host -it --rm image"] + [
        "--option-of-a-command=value"
    ] * 40_000
    began = time.process_time()
    out, _ = whole_commands(lines, ())
    assert time.process_time() - began < 2
    assert max(line.count("--option") for line in out) < MOST_OF_COMMAND


@given(
    st.lists(
        st.sampled_from(
            ["--a-b=c", "pip install torch --index-url " + "x" * 30, " \\", "", "./a:/b"]
        )
    )
)
def test_numbers_go_with_lines(lines: list[str]) -> None:
    out, numbers = whole_commands(lines, ())
    assert not numbers or len(out) == len(numbers)
    assert sorted("".join(out).replace(" ", "").replace("\\", "")) == sorted(
        "".join(lines).replace(" ", "").replace("\\", "")
    )
