"""What installers say of a failed install becomes facts: what was asked for, what there is, who excludes whom."""

import textwrap
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import (
    Errors,
    Fact,
    Host,
    IndexAnswer,
    Interpreter,
    Packages,
    Refusal,
    Requirement,
    Wanted,
)
from tunedoctor.readers import installer_messages, package_lists
from tunedoctor.readers.tidy import tidy

F = TypeVar("F", bound=Fact)

FROM_VERSIONS = """\
Looking in indexes: https://download.pytorch.org/whl/cu128
ERROR: Could not find a version that satisfies the requirement torch==2.6.0+cu128 (from versions: 2.7.0+cu128, 2.7.1+cu128, 2.8.0+cu128)
ERROR: No matching distribution found for torch==2.6.0+cu128
"""
UV_ABI = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because torch==1.12.0+cu113 has no wheels with a matching Python ABI
      tag (e.g., `cp311`) and you require torch==1.12.0+cu113, we can conclude
      that your requirements are unsatisfiable.

      hint: You require CPython 3.11 (`cp311`), but we only found wheels for
      `torch` (v1.12.0+cu113) with the following Python ABI tags: `cp38`,
      `cp39`, `cp310`
"""
UV_PLATFORM = """\
error: Distribution `torch==2.6.0 @ registry+https://download.pytorch.org/whl/cpu` can't be installed because it doesn't have a source distribution or wheel for the current platform

hint: You're on Linux (`manylinux_2_17_x86_64`), but `torch` (v2.6.0) only has wheels for the following platforms: `manylinux_2_28_aarch64`, `macosx_11_0_arm64`
"""


def _facts(text: str) -> list[Fact]:
    lines = tidy(text)
    return installer_messages.read(lines) + package_lists.read(lines)


def _one(text: str, kind: type[F]) -> F | None:
    found = [f for f in _facts(text) if isinstance(f, kind)]
    return found[0] if found else None


def _refusals(text: str) -> tuple[Refusal, ...]:
    answer = _one(text, IndexAnswer)
    return answer.refusals if answer else ()


def _wanted(text: str) -> tuple[Requirement, ...]:
    wanted = _one(text, Wanted)
    return wanted.requirements if wanted else ()


def test_from_versions() -> None:
    (one,) = _refusals(FROM_VERSIONS)
    assert one == Refusal(
        name="torch",
        specifier="==2.6.0+cu128",
        reason="version",
        offered=("2.7.0+cu128", "2.7.1+cu128", "2.8.0+cu128"),
        index="https://download.pytorch.org/whl/cu128",
        installer="pip",
    )


@pytest.mark.parametrize(
    ("text", "offered", "reason"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)",
            (),
            "nothing",
        ),
        (
            "  Could not find a version that satisfies the requirement torch (from versions: )",
            (),
            "nothing",
        ),
        (
            "Could not find a version that satisfies the requirement torch (from -r r.txt (line 2)) (from versions: 0.1.2, 0.1.2.post1)",
            ("0.1.2", "0.1.2.post1"),
            "version",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement torch>=2.4 (from peft) (from versions: none)\nERROR: No matching distribution found for torch>=2.4",
            (),
            "nothing",
        ),
        ("ERROR: Could not find a version that satisfies the requirement torch", None, "unknown"),
        ("ERROR: No matching distribution found for torch", None, "unknown"),
    ],
)
def test_what_pip_was_offered(text: str, offered: tuple[str, ...] | None, reason: str) -> None:
    (one,) = _refusals(text)
    assert (one.name, one.offered, one.reason) == ("torch", offered, reason)


def test_versions_for_other_pythons() -> None:
    text = (
        "ERROR: Ignored the following versions that require a different python version: 0.12.0 Requires-Python >=3.9; 0.13.0 Requires-Python >=3.9,<4\n"
        "ERROR: Could not find a version that satisfies the requirement trl==0.13.0 (from versions: 0.1.0, 0.2.0)\n"
    )
    (one,) = _refusals(text)
    assert one.reason == "python"
    assert one.python_floors == (("0.13.0", ">=3.9,<4"),)


def test_uv_names_the_tags_of_both_sides() -> None:
    (one,) = _refusals(UV_ABI)
    assert (one.reason, one.tag, one.wheel_tags) == ("abi", "cp311", ("cp38", "cp39", "cp310"))
    python = _one(UV_ABI, Interpreter)
    assert python is not None
    assert python.version == "3.11"
    (platform,) = _refusals(UV_PLATFORM)
    assert (platform.reason, platform.specifier) == ("platform", "==2.6.0")
    assert platform.index == "https://download.pytorch.org/whl/cpu"
    host = _one(UV_PLATFORM, Host)
    assert host is not None
    assert (host.os, host.machine, host.libc, host.libc_version) == (
        "linux",
        "x86_64",
        "glibc",
        "2.17",
    )


@pytest.mark.parametrize(
    ("text", "name", "specifier", "reason"),
    [
        (
            "Because there is no version of torch==2.9.1+cu999 and you require torch==2.9.1+cu999, we can",
            "torch",
            "==2.9.1+cu999",
            "version",
        ),
        (
            "Because torch==2.3.1 has no wheels are available with a matching Python ABI and you",
            "torch",
            "==2.3.1",
            "abi",
        ),
        (
            "Because torch==2.2.0 is unusable because no wheels are available with a matching Python implementation and",
            "torch",
            "==2.2.0",
            "abi",
        ),
        (
            "Because mlx{sys_platform == 'darwin'}==0.32.1 has no wheels with a matching platform tag and",
            "mlx",
            "==0.32.1",
            "platform",
        ),
        (
            "Because foo was not found in the package registry and you require foo",
            "foo",
            "",
            "nothing",
        ),
        (
            "ERROR: torch-2.6.0-cp311-cp311-win_amd64.whl is not a supported wheel on this platform.",
            "torch",
            "==2.6.0",
            "platform",
        ),
        (
            "Because app depends on torch (2.9.1+cu128) which doesn't match any versions, version solving failed.",
            "torch",
            "==2.9.1+cu128",
            "version",
        ),
        (
            "Unable to find installation candidates for torch (2.2.0)",
            "torch",
            "==2.2.0",
            "platform",
        ),
        (
            "PackagesNotFoundError: The following packages are not available from current channels:\n\n  - pytorch==2.9.0\n",
            "torch",
            "==2.9.0",
            "version",
        ),
        (
            "└─ pytorch-cuda 12.9** does not exist (perhaps a typo or a missing channel).",
            "pytorch-cuda",
            "==12.9.*",
            "version",
        ),
    ],
)
def test_other_refusals(text: str, name: str, specifier: str, reason: str) -> None:
    assert (name, specifier, reason) in [(r.name, r.specifier, r.reason) for r in _refusals(text)]


def test_versions_that_uv_was_offered() -> None:
    text = "Because only the following versions of torch are available:\n   torch<=2.0.1\n   torch==2.1.0\nand torch>=2.0.1 has no wheels with a matching Python ABI tag, we can"
    (one,) = _refusals(text)
    assert one.offered == ("<=2.0.1", "2.1.0")


CONFLICTS = (
    (
        "transformers 4.56.1 requires huggingface-hub<1.0,>=0.34.0, but you have huggingface-hub 1.0.0 which is incompatible.",
        "huggingface-hub",
        "<1.0,>=0.34.0",
        "transformers 4.56.1",
        "1.0.0",
    ),
    (
        "tensorflow 2.3.0 has requirement numpy<1.19.0,>=1.16.0, but you'll have numpy 1.19.5 which is incompatible.",
        "numpy",
        "<1.19.0,>=1.16.0",
        "tensorflow 2.3.0",
        "1.19.5",
    ),
    (
        "ERROR: allennlp 2.1 has requirement torch<1.8.0,>=1.6.0, but you have torch 1.8.1.",
        "torch",
        "<1.8.0,>=1.6.0",
        "allennlp 2.1",
        "1.8.1",
    ),
    ("xformers 0.0.21 depends on torch==2.0.1\n", "torch", "==2.0.1", "xformers 0.0.21", ""),
    ("    The user requested torch==2.2.0\n", "torch", "==2.2.0", "the user", ""),
    ("    The user requested (constraint) numpy<2\n", "numpy", "<2", "the user", ""),
    (
        "Because xformers==0.0.29 depends on torch==2.5.1 and you require torch>=2.6, we can",
        "torch",
        "==2.5.1",
        "xformers 0.0.29",
        "",
    ),
    (
        "The package `torchvision` requires `torch==2.5.1`, but `2.6.0` is installed",
        "torch",
        "==2.5.1",
        "torchvision",
        "2.6.0",
    ),
    (
        "Because xformers (0.0.29) depends on torch (2.5.1)\n and app depends on torch (^2.6), version solving failed.",
        "torch",
        "==2.5.1",
        "xformers 0.0.29",
        "",
    ),
    (
        "Because xformers (0.0.29) depends on torch (2.5.1)\n and app depends on torch (^2.6), version solving failed.",
        "torch",
        ">=2.6,<3",
        "app",
        "",
    ),
    (
        "ERROR: Package 'trl' requires a different Python: 3.8.10 not in '>=3.9'",
        "python",
        ">=3.9",
        "trl",
        "3.8.10",
    ),
    (
        "pkg_resources.ContextualVersionConflict: (tokenizers 0.20.3 (/v/lib), Requirement.parse('tokenizers<0.22,>=0.21'), {'transformers'})",
        "tokenizers",
        "<0.22,>=0.21",
        "transformers",
        "0.20.3",
    ),
    (
        "  - nothing provides __glibc >=2.28 needed by pytorch-2.6.0-cpu_generic_0",
        "glibc",
        ">=2.28",
        "pytorch 2.6.0",
        "",
    ),
)


@pytest.mark.parametrize(("text", "name", "specifier", "by", "have"), CONFLICTS)
def test_conflicts(text: str, name: str, specifier: str, by: str, have: str) -> None:
    assert Requirement(name=name, specifier=specifier, by=by, have=have) in _wanted(text)


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize(("text", "name", "specifier", "by", "have"), CONFLICTS[:3])
def test_wrapped_conflicts(
    text: str, name: str, specifier: str, by: str, have: str, width: int
) -> None:
    wrapped = "\n".join(textwrap.wrap(text, width))
    assert Requirement(name=name, specifier=specifier, by=by, have=have) in _wanted(wrapped)


def test_a_conflict_tells_who_is_there() -> None:
    packages = _one(CONFLICTS[0][0], Packages)
    assert packages is not None
    owner = packages.get("transformers")
    assert owner is not None
    assert owner.requires == ("huggingface-hub<1.0,>=0.34.0",)
    assert packages.version("huggingface-hub") == "1.0.0"


def test_what_a_resolver_tried_is_not_there() -> None:
    for text, *_ in CONFLICTS[3:7]:
        assert _one(text, Packages) is None


@pytest.mark.parametrize(
    "text",
    [
        "trl 0.14.0 requires rich, which is not installed.",
        "The package `trl` requires `rich`, but it's not installed",
        "pkg_resources.DistributionNotFound: The 'rich>=13' distribution was not found and is required by trl",
    ],
)
def test_a_requirement_that_is_not_installed(text: str) -> None:
    (one,) = _wanted(text)
    assert (one.name, one.missing) == ("rich", True)
    packages = _one(text, Packages)
    assert packages is None or packages.get("rich") is None


@pytest.mark.parametrize(
    ("text", "version", "bits", "free", "family", "machine"),
    [
        (
            "  Downloading torch-2.6.0-cp311-cp311-manylinux1_x86_64.whl (766.7 MB)",
            "3.11",
            64,
            False,
            "linux",
            "x86_64",
        ),
        (
            "  Using cached numpy-1.24.0-cp310-cp310-win32.whl (12 MB)",
            "3.10",
            32,
            False,
            "windows",
            "x86",
        ),
        (
            "  Downloading torch-2.9.0-cp313-cp313t-macosx_11_0_arm64.whl.metadata",
            "3.13",
            64,
            True,
            "macos",
            "arm64",
        ),
        ("Using CPython 3.12.3 interpreter at: /usr/bin/python3", "3.12.3", 64, False, "", ""),
        ("Using Python 3.13.0 environment at: .venv", "3.13.0", 64, False, "", ""),
        (
            "DEBUG Found `cpython-3.12.12-windows-x86-none` at `D:\\v\\python.exe`",
            "3.12.12",
            32,
            False,
            "windows",
            "x86",
        ),
        (
            "Requirement already satisfied: six in /v/lib/python3.10/site-packages (1.16.0)",
            "3.10",
            64,
            False,
            "",
            "",
        ),
        (
            "Requirement already satisfied: six in c:\\programs\\python\\python39-32\\lib\\site-packages (1.16.0)",
            "3.9",
            32,
            False,
            "",
            "",
        ),
        (
            "ERROR: Package 'trl' requires a different Python: 3.8.10 not in '>=3.9'",
            "3.8.10",
            64,
            False,
            "",
            "",
        ),
    ],
)
def test_the_interpreter_and_the_system_that_lines_show(
    text: str, version: str, bits: int, free: bool, family: str, machine: str
) -> None:
    python, host = _one(text, Interpreter), _one(text, Host)
    assert python is not None
    assert (python.version, python.bits, python.free_threaded) == (version, bits, free)
    assert (host.os if host else "", host.machine if host else "") == (family, machine)


def test_a_wheel_that_fits_many_pythons_shows_none() -> None:
    text = "Downloading safetensors-0.5.2-cp38-abi3-manylinux_2_17_x86_64.whl\nDownloading tqdm-4.67.1-py3-none-any.whl\n"
    assert _one(text, Interpreter) is None


def test_two_pythons_are_none() -> None:
    text = "Using CPython 3.12.3 interpreter at: /a\nDownloading torch-2.6.0-cp311-cp311-win_amd64.whl\n"
    assert _one(text, Interpreter) is None


def test_messages_over_several_lines_are_one() -> None:
    errors = _one(UV_ABI, Errors)
    assert errors is not None
    assert "we can conclude that your requirements are unsatisfiable." in errors.errors[0].text


@pytest.mark.parametrize("text", [FROM_VERSIONS.splitlines()[1], CONFLICTS[0][0]])
def test_a_wrapped_message_is_told_whole(text: str) -> None:
    errors = _one("\n".join(textwrap.wrap(text, 60)), Errors)
    assert errors is not None
    assert errors.errors[0].text.rstrip(".") in text
    assert len(errors.errors[0].text) > 100
    assert _one(text, Errors) is None


@pytest.mark.parametrize(
    ("text", "name", "specifier", "have"),
    [
        (
            "ImportError: tokenizers>=0.21,<0.22 is required for a normal functioning of this module, but found tokenizers==0.20.3.",
            "tokenizers",
            ">=0.21,<0.22",
            "0.20.3",
        ),
        (
            "Disabling PyTorch because PyTorch >= 2.4 is required but found 2.3.0",
            "torch",
            ">=2.4",
            "2.3.0",
        ),
        (
            "ImportError: Found an incompatible version of torchao. Found version 0.15.0, but only versions above 0.16.0 are supported",
            "torchao",
            ">=0.16.0",
            "0.15.0",
        ),
        (
            "Please upgrade to torch >= 2.11.0 (found 2.10.0+cu130).",
            "torch",
            ">=2.11.0",
            "2.10.0+cu130",
        ),
        (
            "ImportError: Using the `Trainer` with `PyTorch` requires `accelerate>=0.26.0`: Please run `pip install accelerate -U`",
            "accelerate",
            ">=0.26.0",
            "",
        ),
        (
            "Unsloth: torch==2.11.0 requires torchvision>=0.26.0, but found torchvision==0.25.0.",
            "torchvision",
            ">=0.26.0",
            "0.25.0",
        ),
        (
            "This model requires transformers version >= 4.40.0, but the current version is 4.38.2",
            "transformers",
            ">=4.40.0",
            "4.38.2",
        ),
        (
            "RuntimeError: torch 2.1 or higher is required (you have 2.0.1)",
            "torch",
            ">=2.1",
            "2.0.1",
        ),
        (
            "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.1 as it may crash.",
            "numpy",
            "<2",
            "2.0.1",
        ),
        (
            "Due to a serious vulnerability issue in `torch.load`, even with `weights_only=True`, we now require users to upgrade torch to at least v2.6",
            "torch",
            ">=2.6",
            "",
        ),
        (
            "xFormers was built for:\n    PyTorch 2.6.0+cu124 with CUDA 1204 (you have 2.8.0+cu128)",
            "torch",
            "==2.6.0+cu124",
            "2.8.0+cu128",
        ),
        (
            "The version of PEFT you are using is not compatible, please use a version that is greater than 0.5.0",
            "peft",
            ">0.5.0",
            "",
        ),
    ],
)
def test_guards_of_libraries(text: str, name: str, specifier: str, have: str) -> None:
    assert (name, specifier, have) in [(w.name, w.specifier, w.have) for w in _wanted(text)]
    packages = _one(text, Packages)
    assert (packages.version(name) if packages else "") == have


def test_a_list_has_the_word_over_a_guard() -> None:
    text = "torch 2.6.0\n\nDisabling PyTorch because PyTorch >= 2.4 is required but found 2.3.0\n"
    packages = _one(text, Packages)
    assert packages is not None
    assert packages.version("torch") == "2.6.0"


def test_skipped_extensions_tell_versions() -> None:
    text = "Skipping import of cpp extensions due to incompatible torch version 2.9.1+cu130 for torchao version 0.16.0"
    packages = _one(text, Packages)
    assert packages is not None
    assert (packages.version("torch"), packages.version("torchao")) == ("2.9.1+cu130", "0.16.0")


def test_broken_distributions() -> None:
    text = (
        "WARNING: Ignoring invalid distribution -orch (c:\\v\\lib\\site-packages)\n"
        "ValueError: Unable to compare versions for numpy>=1.17: need=1.17 found=None. This is unusual.\n"
    )
    packages = _one(text, Packages)
    assert packages is not None
    assert {(b.name, b.problem) for b in packages.broken} == {
        ("~orch", "leftover"),
        ("numpy", "no version"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "The script requires more memory than there is.\n",
        "CUDA error: no kernel image is available for execution on the device\n",
        "See requirements.txt for versions, and install 2 packages.\n",
        "Because of that I could not find a version of the driver.\n",
    ],
)
def test_prose_tells_nothing(text: str) -> None:
    assert _facts(text) == []


TEXTS = (FROM_VERSIONS, UV_ABI, UV_PLATFORM, CONFLICTS[0][0])
DRESSES: tuple[Callable[[str], str], ...] = (
    lambda t: "".join(f"> {line}\n" for line in t.splitlines()),
    lambda t: t.replace("\n", "\r\n"),
    lambda t: textwrap.indent(t, "      "),
    lambda t: "".join(f"\x1b[31m{line}\x1b[0m\n" for line in t.splitlines()),
    lambda t: "".join(f"#12 3.{n} {line}\n" for n, line in enumerate(t.splitlines(), 100)),
    lambda t: "".join(f"2026-01-02T03:04:05.1234567Z {line}\n" for line in t.splitlines()),
)


@pytest.mark.parametrize(
    "dress", DRESSES, ids=["quoted", "CRLF", "indented", "ANSI", "docker", "CI"]
)
@pytest.mark.parametrize("text", TEXTS)
def test_pasting_changes_nothing(text: str, dress: Callable[[str], str]) -> None:
    assert _refusals(dress(text)) == _refusals(text)
    assert _wanted(dress(text)) == _wanted(text)


WORDS = (
    "torch",
    "==2.6.0",
    ">=2,<3",
    " requires ",
    " depends on ",
    "Because ",
    "(from versions: ",
    ")",
    ", ",
    "none",
    "has no wheels with a matching platform tag",
    "you have",
    "`",
    "hint: You're on Linux (`",
    "Requires-Python ",
    "\n",
    " ",
    "found",
    "==",
)


@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=60).map("".join)))
def test_any_text_is_read(text: str) -> None:
    _facts(text)


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "Could not find a version that satisfies the requirement torch (from versions: \n",
        "torch 2.1.0 requires numpy<2, but you have \n",
        "Because torch==2 depends on \n",
        "requires torch>=2.1, but you have version \n",
        "Downloading torch-2.1.0-cp311-cp311-win_amd64.whl\n",
        "only the following versions of torch are available: torch==2.1.0\n",
        "└─ torch 2.1 \n",
        "`torch` \n",
        "Ignored the following versions that require a different python version: 1 Requires-Python >=3\n",
    ],
)
def test_a_long_text_is_read_in_linear_time(piece: str) -> None:
    """256 KiB: what is linear takes a fraction of this; what is quadratic takes minutes."""
    lines = tidy(piece * (2**18 // len(piece)))
    began = time.process_time()
    installer_messages.read(lines)
    package_lists.read(lines)
    assert time.process_time() - began < 4


def test_pip_names_its_python_that_has_ended() -> None:
    said = "DEPRECATION: Python 3.7 reached the end of its life on June 27th, 2023. Please upgrade."
    found = installer_messages.read(
        tidy(f"{said}\nERROR: No matching distribution found for torch==2.1.0")
    )
    (own,) = (one for one in found if isinstance(one, Interpreter))
    assert own.version == "3.7"
