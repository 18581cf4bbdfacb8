"""What stands behind an install that found no file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Host, IndexAnswer, Interpreter, Refusal
from tunedoctor.wheels.refused import refused

PY312 = Interpreter(executable="", version="3.12.4", machine="x86_64")
WIN_ARM = Host(os="windows", name="Windows 11", machine="ARM64")


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (Refusal(name="torch", reason="platform", tag="win32"), "python-32bit"),
        (
            Refusal(
                name="torch",
                reason="platform",
                tag="manylinux_2_17_x86_64",
                wheel_tags=("manylinux_2_28_x86_64",),
            ),
            "glibc-too-old",
        ),
        (
            Refusal(
                name="torch",
                reason="platform",
                tag="macosx_13_0_arm64",
                wheel_tags=("macosx_14_0_arm64",),
            ),
            "macos-too-old",
        ),
        (
            Refusal(name="torch", reason="platform", tag="musllinux_1_2_x86_64"),
            "platform-unsupported",
        ),
        (Refusal(name="torch", offered=("0.1.2", "0.1.2.post1")), "python-unsupported"),
        (
            Refusal(
                name="torch", specifier="==9.9.9", reason="version", offered=("2.14.1", "2.15.0")
            ),
            "wheel-not-on-index",
        ),
        (
            Refusal(name="torch", specifier=">=2.3", reason="version", offered=("2.2.1", "2.2.2")),
            "platform-unsupported",
        ),
    ],
)
def test_the_cause(refusal: Refusal, cause: str) -> None:
    found = refused(IndexAnswer(refusals=(refusal,)))
    assert found is not None
    assert found.cause == cause


def test_the_system_tells_why_there_is_none() -> None:
    none = IndexAnswer(refusals=(Refusal(name="torch", reason="nothing", offered=()),))
    arm = Interpreter(executable="", version="3.12.4", machine="ARM64")
    assert refused(none, arm, WIN_ARM)[0] == "platform-unsupported"  # type: ignore[index]
    assert refused(none, PY312)[0] == "python-unsupported"  # type: ignore[index]


def _locked(spec: str) -> IndexAnswer:
    return IndexAnswer(
        refusals=(Refusal(name="torch", specifier=spec, reason="platform", installer="poetry"),)
    )


def test_what_a_lock_names_was_on_the_index() -> None:
    """Poetry says it of a version that it took from an index: the label was built."""
    assert refused(_locked("==2.5.1+cu124")) is None
    assert refused(_locked("==2.5.1+cu128"))[0] == "wheel-not-on-index"  # type: ignore[index]
    assert refused(_locked("==2.5.1")) is None


@pytest.mark.parametrize(
    ("tag", "wheels", "cause"),
    [
        ("win_amd64", ("linux_aarch64",), "wheel-not-on-index"),
        ("manylinux_2_35_x86_64", ("macosx_11_0_arm64",), "wheel-not-on-index"),
        ("win_arm64", ("win_amd64",), "platform-unsupported"),
        ("macosx_13_0_x86_64", ("macosx_11_0_arm64",), "platform-unsupported"),
    ],
)
def test_files_with_a_label_are_not_found_without_it(
    tag: str, wheels: tuple[str, ...], cause: str
) -> None:
    one = Refusal(
        name="torch",
        specifier="==2.6.0",
        reason="platform",
        tag=tag,
        wheel_tags=wheels,
        installer="uv",
    )
    assert refused(IndexAnswer(refusals=(one,)))[0] == cause  # type: ignore[index]


def test_other_packages_are_not_guessed_at() -> None:
    one = Refusal(name="flash-attn", specifier="==9", reason="version", offered=("2.0",))
    assert refused(IndexAnswer(refusals=(one,))) is None
    assert refused(None) is None


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
    for own in (None, PY312):
        for host in (None, WIN_ARM, Host(os="linux", name="x", machine="x86_64")):
            refused(IndexAnswer(refusals=(one,)), own, host)
