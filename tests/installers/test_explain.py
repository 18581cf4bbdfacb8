"""uv's explanations in one sentence."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.installers.explain import LONGEST, blamed, premises, sentence, without_wheels

PAIR = """error: No solution found when resolving dependencies
  cause: Because transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0 and you require \
transformers==4.57.6, we can conclude that you require huggingface-hub>=0.34.0,<1.0.
         And because you require huggingface-hub==1.5.0, we can conclude that your requirements are unsatisfiable.
"""
OLD_FORM = """  × No solution found when resolving dependencies:
  ╰─▶ Because only unsloth-zoo<=2026.10.9 is available and unsloth-zoo>=2026.8.16 depends on
      torchao>=0.13.0, we can conclude that unsloth-zoo>=2026.8.16 depends on torchao>=0.13.0.
      And because unsloth==2026.10.9 depends on unsloth-zoo>=2026.10.9 and you require torchao<0.12, we can
      conclude that unsloth==2026.10.9 cannot be used.
"""
PYTHON = """error: No solution found when resolving dependencies
  cause: Because the requested Python version (>=3.9) does not satisfy Python>=3.11.0 and all of:
             transformers==5.23.0
             transformers==5.24.0
         depend on Python>=3.11.0, we can conclude that transformers>=5.23 cannot be used.
         Because the requested Python version (>=3.9) does not satisfy Python>=3.10.0 and transformers==5.13.1 \
depends on Python>=3.10.0, we can conclude that transformers==5.13.1 cannot be used.

hint: The `--python-version` value (>=3.9) includes Python versions that are not supported
"""
NO_WHEEL = """error: No solution found when resolving dependencies
  cause: Because all versions of flash-attn have no usable wheels and you require flash-attn, we can conclude that \
your requirements are unsatisfiable.
"""
TAGS = """error: No solution found when resolving dependencies
  cause: Because bitsandbytes>=0.45.0 has no wheels with a matching platform tag (e.g., `macosx_13_0_arm64`) and you \
require bitsandbytes>=0.45, we can conclude that your requirements are unsatisfiable.
"""
MARKED = """error: No solution found when resolving dependencies
  cause: Because mlx{sys_platform == 'darwin'}==0.32.1 has no wheels with a matching platform tag and \
zoo>=2,<=3 depends on mlx{sys_platform == 'darwin'}==0.32.1, we can conclude that zoo>=2 cannot be used.
"""


def test_a_pair_is_named_with_what_is_installed() -> None:
    assert sentence(PAIR) == (
        "transformers 4.57.6 needs huggingface-hub>=0.34.0,<1.0, and huggingface-hub==1.5.0 is wanted"
    )
    installed = {"huggingface-hub": "1.5.0", "transformers": "4.57.6"}
    assert sentence(PAIR, installed).endswith("huggingface-hub 1.5.0 is installed")
    assert blamed(PAIR) == ("transformers", "huggingface-hub")


def test_the_form_of_older_releases_is_read_too() -> None:
    said = "unsloth-zoo>=2026.8.16 needs torchao>=0.13.0, and torchao<0.12 is wanted"
    assert sentence(OLD_FORM, asked={"torchao"}) == said
    assert {"unsloth", "unsloth-zoo", "torchao"} == set(blamed(OLD_FORM))


def test_the_least_of_the_wanted_pythons_is_told() -> None:
    assert sentence(PYTHON) == "transformers 5.13.1 needs Python >=3.10.0, and this is 3.9"


def test_packages_without_wheels() -> None:
    assert sentence(NO_WHEEL) == "flash-attn has no wheel for this platform and Python"
    assert without_wheels(NO_WHEEL) == ("flash-attn",)
    assert without_wheels(TAGS) == ("bitsandbytes",)
    assert without_wheels(MARKED) == ("mlx",)
    assert without_wheels(PAIR) == ()


def test_what_is_not_understood_is_told_as_it_is() -> None:
    assert sentence("  cause: Because of the moon.") == "Because of the moon."
    assert sentence("") == "uv found no solution and did not say why"


_WORDS = st.sampled_from(
    [
        *("Because", "depends on", "you require", "and", "a==1", "b>=2,<3", "b<2", "b", "all of:"),
        *("the requested Python version (>=3.8) does not satisfy Python>=3.9", "\n", "("),
        "has no usable wheels",
    ]
)


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_any_text_gives_a_sentence(text: str) -> None:
    said = sentence(text, {"a": "1", "b": "2"}, {"a"})
    assert said
    assert "\n" not in said
    assert len(said) <= max(LONGEST + 2, 2 * len(text) + 80)
    assert premises(text) == premises(text)
    assert all(name == name.lower() for name in blamed(text))


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,12}[a-z0-9]", fullmatch=True),
    st.integers(2, 99),
)
def test_a_pin_below_a_floor_is_told_whatever_its_name(name: str, floor: int) -> None:
    text = (
        f"cause: Because owner==1.0 depends on {name}>={floor} and you require {name}<{floor}, we can conclude that "
        "your requirements are unsatisfiable."
    )
    assert sentence(text) == f"owner 1.0 needs {name}>={floor}, and {name}<{floor} is wanted"
