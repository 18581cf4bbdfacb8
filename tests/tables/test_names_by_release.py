"""Tables know which release added or removed a name, and what an Xid error asks for."""

import pytest

from tunedoctor.tables.small import first_transformers, gave_up, lacks, xid_meaning


@pytest.mark.parametrize(
    ("module", "name", "torch", "expected"),
    [
        ("torch.nn", "RMSNorm", "2.1.2+cu121", "2.4"),
        ("torch.nn", "RMSNorm", "2.4.0", ""),
        ("torch.nn", "RMSNorm", "", "2.4"),
        ("torch", "no_such_name", "1.13.1", ""),
        ("torch.utils._pytree", "register_pytree_node", "2.2.0a0+git1", ""),
    ],
)
def test_a_name_that_the_installed_release_lacks_is_listed_with_the_release_that_added_it(
    module, name, torch, expected
):
    assert lacks(module, name, torch) == expected


@pytest.mark.parametrize(
    ("module", "name", "torch", "expected"),
    [
        ("torch", "_six", "2.4.0+cu121", "2.0"),
        ("torch", "_six", "1.13.1", ""),
        ("torch", "_six", "", "2.0"),
        ("torch.distributed.elastic.agent.server.api", "log", "2.4.0", "2.4"),
        ("torch", "no_such_name", "2.13.0", ""),
    ],
)
def test_a_name_that_the_installed_release_removed_is_listed_with_that_release(
    module, name, torch, expected
):
    assert gave_up(module, name, torch) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("qwen3", "4.51.0"),
        ("Qwen3ForCausalLM", "4.51.0"),
        ("Gemma3ForConditionalGeneration", "4.50.0"),
        ("llama", "4.28.0"),
        ("LlamaTokenizerFast", "4.28.0"),
        ("bert", "4.10.0"),
    ],
)
def test_a_model_leads_to_the_first_transformers_that_has_it(model, expected):
    assert first_transformers(model) == expected


@pytest.mark.parametrize(
    "model",
    [
        "no_such_model",
        "",
    ],
)
def test_an_unknown_model_has_no_first_transformers(model):
    assert first_transformers(model) == ""


@pytest.mark.parametrize(
    ("number", "text", "asks"),
    [
        (79, "GPU has fallen off the bus.", "reboot"),
        (64, "Row remapping failure", "reset"),
        (119, "", "reset"),
        (54, "", "power"),
        (74, "", "reset"),
        (94, "Contained ECC error", "idle"),
        (63, "Row Remapper: New row marked for remapping, reset gpu to activate.", "idle"),
        (149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6 0x00000000)", "reset"),
        (154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", "reset"),
    ],
)
def test_an_xid_error_says_what_ends_it(number, text, asks):
    meaning = xid_meaning(number, text)
    assert meaning.asks == asks


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (13, ""),
        (31, ""),
        (43, ""),
        (45, ""),
        (154, ""),
        (99999, ""),
        (145, "RLW_CTRL Nonfatal XC0 i0 Link 00 (0x00000003 0x80000000)"),
    ],
)
def test_an_xid_error_of_a_program_asks_for_nothing(number, text):
    assert xid_meaning(number, text) is None
