"""Which transformers knows a model."""

import pytest

from tunedoctor.tables.small import first_transformers


@pytest.mark.parametrize(
    ("model", "since"),
    [
        ("qwen3", "4.51.0"),
        ("Qwen3ForCausalLM", "4.51.0"),
        ("Gemma3ForConditionalGeneration", "4.50.0"),
        ("llama", "4.28.0"),
        ("LlamaTokenizerFast", "4.28.0"),
        ("bert", "4.10.0"),
        ("no_such_model", ""),
        ("", ""),
    ],
)
def test_the_first_release_that_knows_a_model(model: str, since: str) -> None:
    assert first_transformers(model) == since
