"""The allow-list of variables."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.environment import NAMES, PREFIXES, select


def test_what_steers_the_stack_is_taken_and_nothing_else() -> None:
    found = select(
        {
            "CUDA_VISIBLE_DEVICES": "0,1",
            "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            "TORCHDYNAMO_DISABLE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "LD_LIBRARY_PATH": "/opt/cuda/lib64",
            "EMPTY_": "",
            "HSA_OVERRIDE_GFX_VERSION": "",
            "HOME": "/home/me",
            "AWS_ACCESS_KEY_ID": "secret",
            "DATABASE_URL": "secret",
        }
    ).variables
    assert found == {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "HSA_OVERRIDE_GFX_VERSION": "",
        "LD_LIBRARY_PATH": "/opt/cuda/lib64",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCHDYNAMO_DISABLE": "1",
    }


def test_secrets_and_proxies_are_only_told_to_be_set() -> None:
    found = select(
        {
            "HF_TOKEN": "hf_abc",
            "NVIDIA_API_KEY": "nvapi",
            "https_proxy": "http://me:pw@proxy.test:3128",
            "NO_PROXY": "localhost",
            "PIP_INDEX_URL": "https://me:pw@index.test/simple",
        }
    ).variables
    assert found == {
        "HF_TOKEN": "set",
        "NO_PROXY": "set",
        "NVIDIA_API_KEY": "set",
        "PIP_INDEX_URL": "https://index.test/simple",
        "https_proxy": "set",
    }


@given(st.dictionaries(st.text(), st.text()))
def test_no_other_name_comes_through(variables: dict[str, str]) -> None:
    for name in select(variables).variables:
        assert name in NAMES or name.startswith(PREFIXES) or name.upper().endswith("_PROXY")
