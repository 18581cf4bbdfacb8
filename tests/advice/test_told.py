"""What errors tell several checks, misfits of libraries among it; paths in cures are words of a shell."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from museum import names, snapshot_of

from tunedoctor.advice.told import compares, given_up, misfits, shortage, told
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors, ErrorText, Frame, Interpreter, Unknown

GIB = 1 << 30
HEAD = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
CARD = "GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. "
OTHER = "Process 4711 has 18.00 GiB memory in use. Process 12 has 1.00 GiB memory in use. "
OWN = "Including non-PyTorch memory, this process has 4.50 GiB memory in use. "
CACHE = "Of the allocated memory 4.00 GiB is allocated by PyTorch, and {} is reserved by PyTorch but unallocated."
OLD = (
    "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; "
    "{} already allocated; 10.00 MiB free; {} reserved in total by PyTorch)"
)


def _errors(*texts: str) -> Errors:
    return Errors(errors=tuple(ErrorText(text=text) for text in texts))


def test_an_error_is_quoted_from_the_match_to_the_end_of_the_sentence() -> None:
    said = _errors("x", "first\n  the driver is Too Old, e.g. 12080 (found). Please update.")
    assert told(said, "too OLD") == "Too Old, e.g. 12080 (found)"
    assert told(said, "b") == ""


@given(st.lists(st.text(), max_size=5), st.sampled_from(["a", r"\d+", "error", r"^Killed"]))
def test_any_text_gives_one_short_line(texts: list[str], pattern: str) -> None:
    said = told(_errors(*texts), pattern)
    assert len(said) <= 160
    assert "\n" not in said
    assert told(None, pattern) == told(Unknown(why="no log"), pattern) == ""


@pytest.mark.parametrize(
    ("text", "others", "processes", "by"),
    [
        (HEAD + CARD + OTHER + OWN + CACHE.format("100.00 MiB"), 19 * GIB, (4711, 12), "others"),
        # a process in a container does not know itself by its number
        (
            HEAD + CARD + "Process 4711 has 23.00 GiB memory in use. " + CACHE.format("1.00 GiB"),
            0,
            (),
            "",
        ),
        (HEAD + CARD + OWN + CACHE.format("6.00 GiB"), 0, (), "pieces"),
        (HEAD + CARD + OWN + CACHE.format("1.00 GiB"), 0, (), ""),
        (OLD.format("6.50 GiB", "6.90 GiB"), None, (), ""),
        (OLD.format("1.00 GiB", "1.10 GiB"), None, (), "others"),
        (OLD.format("3.00 GiB", "6.90 GiB"), None, (), "pieces"),
    ],
)
def test_who_holds_the_memory(
    text: str, others: int | None, processes: tuple[int, ...], by: str
) -> None:
    found = shortage(_errors("no error", text))
    assert found is not None
    assert found.others == others or others is None
    assert found.processes == processes
    assert (found.by_others, found.by_pieces) == (by == "others", by == "pieces")


SITE = "/opt/env/lib/python3.11/site-packages"
SIX = "ModuleNotFoundError: No module named 'torch._six'"
ADAM = "ImportError: cannot import name 'AdamW' from 'transformers'"


def _error(text: str, *files: str) -> Errors:
    kind = text.partition(":")[0]
    frames = tuple(Frame(file=file) for file in files)
    return Errors((ErrorText(text=text, type=kind if " " not in kind else "", frames=frames),))


@pytest.mark.parametrize(
    ("text", "files", "pair"),
    [
        (
            f"ImportError: cannot import name '_gone' from 'torchmetrics.utilities' ({SITE}/torchmetrics/utilities.py)",
            ["/home/user/a.py", f"{SITE}/pytorch_lightning/trainer.py"],
            ["pytorch-lightning", "torchmetrics"],
        ),
        (
            "TypeError: Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'",
            ["C:\\envs\\a\\lib\\site-packages\\transformers\\trainer.py"],
            ["transformers", "accelerate"],
        ),
        (ADAM, ["/home/user/train.py"], []),
        (ADAM, [f"{SITE}/trl/a.py", "/home/user/train.py"], []),
        ("ValueError: 3", [f"{SITE}/trl/a.py"], []),
        ("ImportError: cannot import name 'x' from 'torch'", [], []),
    ],
)
def test_owner_and_other_are_told(text: str, files: list[str], pair: list[str]) -> None:
    assert [
        side for one in misfits(_error(text, *files)) for side in (one.owner, one.other)
    ] == pair


@pytest.mark.parametrize(
    ("text", "library"),
    [
        (f"ImportError: cannot import name 'Old' from 'trl' ({SITE}/trl/__init__.py)", ["trl"]),
        ("ModuleNotFoundError: No module named 'peft.tuners.newest'", ["peft"]),
        ("AttributeError: module 'huggingface_hub' has no attribute 'gone'", ["huggingface-hub"]),
        ("ImportError: cannot import name 'Mine' from 'trl' (/home/me/trl.py)", []),
        ("ModuleNotFoundError: No module named 'pyarrow.lib'", []),
        ("TypeError: MyModel.__init__() got an unexpected keyword argument 'width'", []),
        ("FutureWarning: module 'transformers' has no attribute 'x'", []),
        ("ImportError: cannot import name 'load' from 'datasets' (unknown location)", []),
    ],
)
def test_where_nothing_tells_who_asked_the_library_is_named(text: str, library: list[str]) -> None:
    assert [one.other for one in misfits(_error(text), loosely=True)] == library


@pytest.mark.parametrize(
    ("text", "file", "torch", "told"),
    [
        (SIX, f"{SITE}/deepspeed/a.py", "", ("deepspeed", "2.0")),
        (SIX, "/home/me/a.py", "2.6.0", ("", "2.0")),
        (SIX, "/home/me/a.py", "1.13.1", None),
    ],
)
def test_a_name_that_torch_gave_up(
    text: str, file: str, torch: str, told: tuple[str, str] | None
) -> None:
    one = given_up(_error(text, file), torch)
    assert (one and (one.owner, one.since)) == told


@given(st.text(), st.lists(st.text(max_size=60), max_size=4))
def test_any_text_is_taken(text: str, files: list[str]) -> None:
    errors = _error(text, *files)
    assert all(one.owner != one.other for one in misfits(errors))
    list(misfits(errors, loosely=True))
    compares(errors)


CHECKS = all_checks()
HOSTILE = "/home/ada/it's my env/.venv"


def test_an_interpreter_in_a_cure_is_one_word() -> None:
    quoted = 0
    for name in names():
        snapshot = snapshot_of(name)
        own = snapshot.find(Interpreter)
        if own is None or not own.executable.startswith("/"):
            continue  # nothing that a POSIX shell is to be given
        moved = structs.replace(own, executable=f"{HOSTILE}/bin/python", prefix=HOSTILE)
        for found in diagnose(snapshot.having(moved), CHECKS).causes:
            for line in found.finding.cure.command.splitlines():
                if "my env" in line:
                    quoted += 1
                    words = shlex.split(line)
                    assert any(HOSTILE in word for word in words), (name, found.check.id, line)
    assert quoted > 50
