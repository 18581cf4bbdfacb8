"""Before a training starts, doctor estimates whether the model fits in memory."""

import pytest
from planting import plant

from tunedoctor.core.preflight import needed
from tunedoctor.facts import Memory, NvidiaGpu, NvidiaGpus
from tunedoctor.model.snapshot import Snapshot

LLAMA_8B = '{"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": false}'
RTX_3060 = NvidiaGpus(
    gpus=(NvidiaGpu(index=0, name="RTX 3060", memory_total=12884901888, memory_free=12884901888),)
)
MEMORY = Memory(total=12884901888, available=1, swap_total=2147483648)


@pytest.mark.parametrize(
    "reason",
    [
        # what cannot fit is refused with a way out
        "12.0 GiB",
        "method = 'qlora'",
    ],
)
def test_a_training_that_cannot_fit_is_refused_with_a_way_out(reason, tmp_path):
    plant(tmp_path, {"m/config.json": LLAMA_8B})
    result = needed(Snapshot({}).having(RTX_3060), {"model": f"{tmp_path}/m"}, 1, {})
    assert reason in result.why


def test_a_training_that_fits_is_not_refused(tmp_path):
    plant(tmp_path, {"m/config.json": LLAMA_8B})
    result = needed(
        Snapshot({}).having(RTX_3060),
        {"model": f"{tmp_path}/m", "method": "qlora", "checkpointing": "true"},
        1,
        {},
    )
    assert result.why == ""


def test_a_gpu_does_not_limit_a_training_on_the_cpu(tmp_path):
    plant(tmp_path, {"m/config.json": LLAMA_8B})
    result = needed(
        Snapshot({}).having(RTX_3060), {"model": f"{tmp_path}/m", "device": "cpu"}, 1, {}
    )
    assert result.why == ""


def test_a_training_on_the_cpu_needs_its_memory(tmp_path):
    plant(tmp_path, {"m/config.json": LLAMA_8B})
    result = needed(Snapshot({}).having(MEMORY), {"model": f"{tmp_path}/m", "device": "cpu"}, 1, {})
    assert "the CPU has 13.7 GiB" in result.why
