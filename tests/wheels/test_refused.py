"""What stands behind an install that found no file, and wheels that were named as files."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Host, IndexAnswer, Interpreter, Refusal, empty
from tunedoctor.wheels.refused import misplaced, refused

NO_PYTHON, NO_HOST = empty(Interpreter), empty(Host)
PY312 = Interpreter(executable="", version="3.12.4", machine="x86_64")
WIN_ARM = Host(os="windows", name="Windows 11", machine="ARM64")


MUSL, MAC_TAG = "musllinux_1_2_x86_64", "macosx_14_0_arm64"
X86 = "manylinux_2_28_x86_64"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"reason": "platform", "tag": "win32"}, "python-32bit"),
        (
            {"reason": "platform", "tag": "manylinux_2_17_x86_64", "wheel_tags": (X86,)},
            "glibc-too-old",
        ),
        (
            {"reason": "platform", "tag": "macosx_13_0_arm64", "wheel_tags": (MAC_TAG,)},
            "macos-too-old",
        ),
        ({"reason": "platform", "tag": MUSL}, "platform-unsupported"),
        ({"offered": ("0.1.2", "0.1.2.post1")}, "python-unsupported"),
        (
            {"specifier": "==9.9.9", "reason": "version", "offered": ("2.14.1", "2.15.0")},
            "wheel-not-on-index",
        ),
        (
            {"specifier": ">=2.3", "reason": "version", "offered": ("2.2.1", "2.2.2")},
            "platform-unsupported",
        ),
        # what a lock names was on the index: poetry says it of a version that it took from one
        *(
            ({"specifier": spec, "reason": "platform", "installer": "poetry"}, cause)
            for spec, cause in (
                ("==2.5.1+cu124", ""),
                ("==2.5.1+cu128", "wheel-not-on-index"),
                ("==2.5.1", ""),
            )
        ),
        # files with a label are not found without it
        *(
            (
                {
                    "specifier": "==2.6.0",
                    "reason": "platform",
                    "tag": tag,
                    "wheel_tags": wheels,
                    "installer": "uv",
                },
                cause,
            )
            for tag, wheels, cause in (
                ("win_amd64", ("linux_aarch64",), "wheel-not-on-index"),
                ("manylinux_2_35_x86_64", ("macosx_11_0_arm64",), "wheel-not-on-index"),
                ("win_arm64", ("win_amd64",), "platform-unsupported"),
                ("macosx_13_0_x86_64", ("macosx_11_0_arm64",), "platform-unsupported"),
            )
        ),
        # other packages are not guessed at
        ({"name": "flash-attn", "specifier": "==9", "reason": "version", "offered": ("2.0",)}, ""),
    ],
)
def test_the_cause(fields: dict[str, Any], cause: str) -> None:
    found = refused(
        IndexAnswer(refusals=(Refusal(**{"name": "torch", **fields}),)), NO_PYTHON, NO_HOST
    )
    assert (found.cause if found else "") == cause


def test_the_system_tells_why_there_is_none() -> None:
    none = IndexAnswer(refusals=(Refusal(name="torch", reason="nothing", offered=()),))
    arm = Interpreter(executable="", version="3.12.4", machine="ARM64")
    assert refused(none, arm, WIN_ARM)[0] == "platform-unsupported"  # type: ignore[index]
    assert refused(none, PY312, NO_HOST)[0] == "python-unsupported"  # type: ignore[index]
    assert refused(empty(IndexAnswer), PY312, NO_HOST) is None


VERSIONS = st.from_regex(r"\d\.\d{1,2}\.\d(\+cu\d{3})?", fullmatch=True)


@given(
    st.sampled_from(["torch", "torchvision", "transformers"]),
    st.from_regex(r"(==|>=|<|~=)?\d?[.\d]{0,6}(\+\w{1,6})?", fullmatch=True),
    st.none() | st.lists(st.one_of(VERSIONS, st.text(max_size=6))).map(tuple),
    st.sampled_from(["version", "nothing", "python", "abi", "platform", "unknown"]),
    st.text(max_size=20),
)
def test_any_answer(
    name: str, specifier: str, offered: tuple[str, ...] | None, reason: str, tag: str
) -> None:
    one = Refusal(name=name, specifier=specifier, reason=reason, offered=offered, tag=tag)  # type: ignore[arg-type]
    for own in (NO_PYTHON, PY312):
        for host in (NO_HOST, WIN_ARM, Host(os="linux", name="x", machine="x86_64")):
            refused(IndexAnswer(refusals=(one,)), own, host)


LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64", libc="glibc", libc_version="2.39")
OLD = Host(os="linux", name="CentOS 7", machine="x86_64", libc="glibc", libc_version="2.17")
MAC = Host(os="macos", name="macOS 14.5", machine="arm64")
ALPINE = Host(os="linux", name="Alpine", machine="x86_64", libc="musl")
PYTHON = Interpreter(executable="", version="3.12.3")
FREE = Interpreter(executable="", version="3.13.1", free_threaded=True)


@pytest.mark.parametrize(
    ("tags", "own", "host", "cause"),
    [
        ("cp311-cp311-linux_x86_64", PYTHON, NO_HOST, "python-unsupported"),
        ("cp313-cp313-manylinux_2_28_x86_64", FREE, LINUX, "python-unsupported"),
        ("cp312-cp312-linux_x86_64", PYTHON, MAC, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_aarch64", PYTHON, LINUX, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, ALPINE, "platform-unsupported"),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, OLD, "glibc-too-old"),
        ("cp312-none-macosx_11_0_arm64", PYTHON, MAC, None),
        ("cp312-cp312-manylinux_2_28_x86_64", PYTHON, LINUX, None),
        ("cp313-cp313t-manylinux_2_28_x86_64", FREE, LINUX, None),
        ("cp38-abi3-linux_x86_64", PYTHON, LINUX, None),
        ("py3-none-any", PYTHON, LINUX, None),
        ("py3-none-win_amd64", PYTHON, LINUX, "platform-unsupported"),
        ("cp311-cp311-linux_x86_64", NO_PYTHON, NO_HOST, None),
        ("", PYTHON, LINUX, None),
    ],
)
def test_what_does_not_fit(tags: str, own: Interpreter, host: Host, cause: str | None) -> None:
    found = misplaced(tags, own, host)
    assert (found.cause if found else None) == cause
